// What the project says about accuracy, with its uncertainty. Each function names its formula.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace crayon {

struct Accuracy {
  double accuracy = 0;
  double standard_error = 0;  ///< sqrt(p (1 - p) / n): binomial
  std::size_t n = 0;
};

/// @param right  1 or 0 a question @throws Error InvalidArgument  empty
[[nodiscard]] Accuracy accuracy(std::span<const std::uint8_t> right);

struct Interval {
  double mean = 0;
  double low = 0;
  double high = 0;
};

/// Percentile bootstrap of the mean of `values` (Efron 1979); differences give a paired comparison.
[[nodiscard]] Interval bootstrap_mean(std::span<const double> values, double level,
                                      std::size_t resamples, std::uint64_t seed);

/// Area under the ROC curve by ranks, ties counted half; 0.5 when one class is missing.
[[nodiscard]] double auroc(std::span<const double> scores, std::span<const std::uint8_t> positive);

/// Expected calibration error: equal-width bins of confidence, |accuracy - confidence| weighted by
/// n.
[[nodiscard]] double expected_calibration_error(std::span<const double> confidence,
                                                std::span<const std::uint8_t> right,
                                                std::size_t bins = 10);

/// What expected_calibration_error() is on average where the confidences are exact: `right` drawn
/// from them. Far above 0 for few answers, so a value near it says that nothing is wrong
/// (consistency resampling: Bröcker and Smith 2007).
[[nodiscard]] double calibration_error_by_chance(std::span<const double> confidence,
                                                 std::size_t bins = 10, std::size_t draws = 200,
                                                 std::uint64_t seed = 0);

/// q-quantile by linear interpolation of order statistics (R type 7); q in 0..1, values not empty.
[[nodiscard]] double quantile(std::vector<double> values, double q);

/// log-softmax of scores (stable).
[[nodiscard]] std::vector<double> log_softmax(std::span<const float> scores);

}  // namespace crayon
