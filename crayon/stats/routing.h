// How well a router shares questions between two sides: the device, which costs nothing, and a
// server. Letters: n questions, s in 0..1 the server's share of them, r(s) accuracy of the mix when
// the questions of the least scores go to the server, r(0) the device alone, r(1) the server alone.
//
// Questions of equal score are shared out in expectation: every order of them is as likely. So r is
// linear between the points s = k/n, and a router that knows nothing (all scores equal) has the
// straight line from r(0) to r(1).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace crayon {

/// What a router thought of n questions and how both sides answered them.
struct RoutedAnswers {
  std::vector<double> scores;        ///< High: the device should answer.
  std::vector<std::uint8_t> device;  ///< 1 right, 0 wrong.
  std::vector<std::uint8_t> server;  ///< The same.
};

/// @throws Error InvalidArgument  no question, lists of different lengths, a score not finite
void check_routed(const RoutedAnswers& answers);

/// r at s = 0, 1/m, ..., 1; linear between.
struct DeferralCurve {
  std::vector<double> accuracy;  ///< [m + 1], m at least 1.

  [[nodiscard]] double device() const { return accuracy.front(); }
  [[nodiscard]] double server() const { return accuracy.back(); }
};

/// r of n questions at s = k/n. @throws Error InvalidArgument  as check_routed()
[[nodiscard]] DeferralCurve deferral_curve(const RoutedAnswers& answers);

/// r(s). @throws Error InvalidArgument  s not in 0..1
[[nodiscard]] double accuracy_at(const DeferralCurve& curve, double share);

/// The mean of curves, each question's share being the same in all, at s = 0, 1/steps, ..., 1.
/// @throws Error InvalidArgument  no curve, 0 steps
[[nodiscard]] DeferralCurve mean_curve(std::span<const DeferralCurve> curves,
                                       std::size_t steps = 100);

/// Integral of r over s: the area under the deferral curve.
[[nodiscard]] double area_under(const DeferralCurve& curve);

/// PGR, performance gap recovered at a share: (r(s) - r(0)) / (r(1) - r(0)) (Ong et al. 2024,
/// "RouteLLM", arXiv 2406.18665, section 3). None where the server is not better than the device.
[[nodiscard]] std::optional<double> gap_recovered(const DeferralCurve& curve, double share);

/// APGR: integral of PGR over s (ibid.; their program takes the trapezoid of 11 thresholds, this is
/// the exact integral of the curve). 0.5 for a router that knows nothing. None as gap_recovered().
[[nodiscard]] std::optional<double> mean_gap_recovered(const DeferralCurve& curve);

/// CPT(x), call performance threshold: the least s at which PGR reaches `gap`, x = 100 gap %
/// (ibid.; where the curve first crosses it, as r need not rise everywhere). None as
/// gap_recovered().
/// @throws Error InvalidArgument  gap not in 0..1
[[nodiscard]] std::optional<double> call_threshold(const DeferralCurve& curve, double gap);

/// The least s at which the mix is as accurate as the server alone (ours): 0 where the device is.
[[nodiscard]] double share_to_match_server(const DeferralCurve& curve);

/// Selective risk at coverage k/n, k = 1..n: the share of wrong answers among the k of the highest
/// scores (El-Yaniv and Wiener 2010); `server` plays no part. @throws Error  as check_routed()
[[nodiscard]] std::vector<double> selective_risks(const RoutedAnswers& answers);

/// AURC: the mean of the selective risks over k = 1..n (Geifman, Uziel and El-Yaniv 2019,
/// "Bias-reduced uncertainty estimation for deep neural classifiers", section 3).
[[nodiscard]] double area_under_risk(const RoutedAnswers& answers);

/// AUGRC: integral over the coverage of the share of all questions that are answered and wrong
/// (Traub et al. 2024, "Overcoming common flaws in the evaluation of selective classification
/// systems", arXiv 2407.01032, equation 5). With accuracy p it is
/// (1 - AUROC) p (1 - p) + (1 - p)^2 / 2, AUROC counting ties half.
[[nodiscard]] double area_under_generalized_risk(const RoutedAnswers& answers);

}  // namespace crayon
