// Does a threshold that was set on a few labelled examples keep its promise on other questions?
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>

namespace crayon {

/// The least threshold, a router score at which the device still answers, so that the share of all
/// requests that it answers wrong stays at most `risk`; none where the examples are too few.
using ThresholdRule = std::function<std::optional<double>(
    std::span<const double> scores, std::span<const std::uint8_t> right, double risk)>;

/// The product's own rule, risk_threshold() (crayon/router/threshold.h), on scores of any kind in
/// the place of margins: the least score above which the device answers. None where n < 1/risk - 1.
/// @throws Error InvalidArgument  lists of different lengths, risk not in (0, 1]
[[nodiscard]] std::optional<double> conformal_threshold(std::span<const double> scores,
                                                        std::span<const std::uint8_t> right,
                                                        double risk);

/// What became of a promise.
struct RiskTrial {
  std::size_t n = 0;          ///< Examples that each threshold was set on.
  std::size_t resamples = 0;  ///< 0: refused, n is too small for the risk.
  double mean = 0;            ///< Realised risk, over the resamplings,
  double deviation = 0;       ///< how it spreads,
  double standard_error = 0;  ///< and how well its mean is known.
  double server_share = 0;    ///< Mean.

  /// At most the target plus two standard errors.
  [[nodiscard]] bool keeps(double risk) const { return mean <= risk + 2 * standard_error; }
};

struct RiskRows {
  std::span<const double> scores;
  std::span<const std::uint8_t> right;  ///< The device's answers.
};

/// Each resampling draws n rows without replacement, sets a threshold on them and counts the
/// device's wrong answers at or above it among all other rows. @throws Error  as the threshold;
/// InvalidArgument  n is 0 or leaves no row
[[nodiscard]] RiskTrial try_risk(const RiskRows& rows, double risk, std::size_t n,
                                 std::size_t resamples, std::uint64_t seed,
                                 const ThresholdRule& threshold = conformal_threshold);

}  // namespace crayon
