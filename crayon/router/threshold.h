// From labelled examples to a threshold of confidence with a promise: conformal risk control
// (Angelopoulos, Bates, Fisch, Lei and Schuster 2022), and what a threshold would have done on
// them.
//   the device answers where its margin is above the threshold; the server answers the rest
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "crayon/router/router.h"

namespace crayon {

/// A request of the task whose right answer is known.
struct JudgedSignals {
  ChoiceSignals signals{};                ///< The device's raw ones.
  bool right = false;                     ///< The device's answer is right.
  std::optional<bool> server_right = {};  ///< The server's; none where it was not asked.
  bool held_out = false;                  ///< Nothing of the task was made from it.
};

/// The loss of one request, 0 or 1; it never grows with the threshold. The risk is its expectation
/// over ALL requests of the task, those that the server answers among them.
enum class Risk {
  /// 1 where the device answers and is wrong. What the server answers wrongly does not count.
  DeviceWrong,
  /// 1 where the device answers, is wrong, and the server would have been right. The mix's share of
  /// wrong answers then exceeds the server's own by at most this. Needs the server's labels.
  WorseThanServer,
};

struct RiskThreshold {
  double margin = 0;        ///< The device answers above it; kNoThreshold: all, infinite: nothing.
  double bound = 0;         ///< n / (n + 1) R_n + 1 / (n + 1) there, R_n the examples' mean loss.
  double device_share = 0;  ///< Of the examples.
  std::size_t n = 0;
  bool free_text = false;  ///< All examples were: it is promised for free text.
};

/// The least risk that n examples can promise: 1 / (n + 1).
[[nodiscard]] double least_risk(std::size_t n);
/// The fewest examples that can promise this risk, 1 / risk - 1 rounded up.
/// @throws Error InvalidArgument  a risk that is not above 0
[[nodiscard]] std::size_t examples_for_risk(double risk);

/// The least threshold with n / (n + 1) R_n + 1 / (n + 1) <= risk.
///
/// Promise: where the n examples and the next request are exchangeable, and no example was used to
/// make the signals, the expected loss of the next request is at most `risk`; the expectation is
/// over the draw of the examples too, so one unlucky draw may exceed it, and a task that drifts
/// voids it. The threshold is one of the margin, whose order no calibration changes.
/// @throws Error InvalidArgument  a risk outside (0, 1]; risk < 1 / (n + 1): names the least
///                                possible risk and how many examples it takes; a margin that is
///                                not finite; WorseThanServer and an example without the server's
[[nodiscard]] RiskThreshold risk_threshold(std::span<const JudgedSignals> examples, double risk,
                                           Risk kind = Risk::DeviceWrong);

/// The same threshold for a router: confidence() never falls with the margin, so where it is not
/// flat both decide alike, and where it is flat the device answers less. For requests of the kind
/// that it is promised for; choices and free text at one margin differ by what a guess is worth.
[[nodiscard]] double risk_confidence(const RiskThreshold& threshold,
                                     const Calibration& calibration);

/// One threshold's outcome on labelled examples.
struct CoveragePoint {
  double margin = 0;    ///< The device answers from here upwards.
  double coverage = 0;  ///< The device's share.
  double risk = 0;      ///< Share of ALL examples that it answers wrongly.
  double error = 0;     ///< Share of what it answers that is wrong.
};
/// For each margin that occurs, from full coverage down. @throws Error InvalidArgument  as above
[[nodiscard]] std::vector<CoveragePoint> risk_coverage(std::span<const JudgedSignals> examples);

}  // namespace crayon
