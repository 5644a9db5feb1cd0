#include "crayon/stats/routing.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "crayon/base/error.h"
#include "crayon/stats/internal/ranking.h"

namespace crayon {
namespace {

constexpr double kRounding = 1e-12;  ///< Of sums that are equal but for it.

void require(bool holds, const std::string& message) {
  if (!holds) throw Error(ErrorCode::InvalidArgument, message);
}

double gap(const DeferralCurve& curve) { return curve.server() - curve.device(); }

/// The least share at which the curve reaches `wanted`; it does at 1.
double first_crossing(const DeferralCurve& curve, double wanted) {
  const auto& r = curve.accuracy;
  if (r.front() >= wanted - kRounding) return 0;
  std::size_t k = 1;
  while (k + 1 < r.size() && r[k] < wanted - kRounding) ++k;
  const double rise = r[k] - r[k - 1];
  const double part = rise > 0 ? std::clamp((wanted - r[k - 1]) / rise, 0.0, 1.0) : 1.0;
  return (static_cast<double>(k - 1) + part) / static_cast<double>(r.size() - 1);
}

/// Wrong answers among the n - k of the highest scores, k = 0..n.
std::vector<double> wrong_above(const RoutedAnswers& answers) {
  check_routed(answers);
  std::vector<double> wrong;
  for (const auto right : answers.device) wrong.push_back(right != 0 ? 0.0 : 1.0);
  std::vector<double> sums;
  Ranking(answers.scores).sums(wrong, {}, sums);
  const double all = sums.back();
  for (double& sum : sums) sum = all - sum;
  return sums;
}

}  // namespace

void check_routed(const RoutedAnswers& answers) {
  const std::size_t n = answers.scores.size();
  require(n > 0, "routing: 0 questions; expected at least one");
  require(answers.device.size() == n && answers.server.size() == n,
          fmt::format("routing: {} scores, {} answers of the device and {} of the server; expected "
                      "as many of each",
                      n, answers.device.size(), answers.server.size()));
  for (std::size_t i = 0; i < n; ++i) {
    if (std::isfinite(answers.scores[i])) continue;
    require(false, fmt::format("routing: score {} of {} is {}; expected a finite number", i, n,
                               answers.scores[i]));
  }
}

DeferralCurve deferral_curve(const RoutedAnswers& answers) {
  check_routed(answers);
  std::vector<double> gains;
  double device = 0;
  for (std::size_t i = 0; i < answers.scores.size(); ++i) {
    const double right = answers.device[i] != 0 ? 1 : 0;
    device += right;
    gains.push_back((answers.server[i] != 0 ? 1 : 0) - right);
  }
  DeferralCurve curve;
  Ranking(answers.scores).sums(gains, {}, curve.accuracy);
  for (double& r : curve.accuracy) r = (device + r) / static_cast<double>(gains.size());
  return curve;
}

double accuracy_at(const DeferralCurve& curve, double share) {
  require(share >= 0 && share <= 1, fmt::format("server share {}; expected 0 to 1", share));
  const double at = share * static_cast<double>(curve.accuracy.size() - 1);
  const auto below = std::min(static_cast<std::size_t>(at), curve.accuracy.size() - 2);
  const double part = at - static_cast<double>(below);
  return curve.accuracy[below] + part * (curve.accuracy[below + 1] - curve.accuracy[below]);
}

DeferralCurve mean_curve(std::span<const DeferralCurve> curves, std::size_t steps) {
  require(!curves.empty() && steps > 0,
          fmt::format("mean of {} curves at {} steps; expected at least one of each", curves.size(),
                      steps));
  DeferralCurve mean{std::vector<double>(steps + 1)};
  for (std::size_t k = 0; k <= steps; ++k) {
    const double share = static_cast<double>(k) / static_cast<double>(steps);
    double sum = 0;
    for (const DeferralCurve& curve : curves) sum += accuracy_at(curve, share);
    mean.accuracy[k] = sum / static_cast<double>(curves.size());
  }
  return mean;
}

double area_under(const DeferralCurve& curve) {
  double sum = -0.5 * (curve.device() + curve.server());
  for (const double r : curve.accuracy) sum += r;
  return sum / static_cast<double>(curve.accuracy.size() - 1);
}

std::optional<double> gap_recovered(const DeferralCurve& curve, double share) {
  if (gap(curve) <= kRounding) return std::nullopt;
  return (accuracy_at(curve, share) - curve.device()) / gap(curve);
}

std::optional<double> mean_gap_recovered(const DeferralCurve& curve) {
  if (gap(curve) <= kRounding) return std::nullopt;
  return (area_under(curve) - curve.device()) / gap(curve);
}

std::optional<double> call_threshold(const DeferralCurve& curve, double wanted) {
  require(wanted >= 0 && wanted <= 1, fmt::format("gap {}; expected 0 to 1", wanted));
  if (gap(curve) <= kRounding) return std::nullopt;
  return first_crossing(curve, curve.device() + wanted * gap(curve));
}

double share_to_match_server(const DeferralCurve& curve) {
  return first_crossing(curve, curve.server());
}

std::vector<double> selective_risks(const RoutedAnswers& answers) {
  const std::vector<double> wrong = wrong_above(answers);
  const std::size_t n = wrong.size() - 1;
  std::vector<double> risks;
  for (std::size_t k = 1; k <= n; ++k) risks.push_back(wrong[n - k] / static_cast<double>(k));
  return risks;
}

double area_under_risk(const RoutedAnswers& answers) {
  double sum = 0;
  const std::vector<double> risks = selective_risks(answers);
  for (const double risk : risks) sum += risk;
  return sum / static_cast<double>(risks.size());
}

double area_under_generalized_risk(const RoutedAnswers& answers) {
  const std::vector<double> wrong = wrong_above(answers);
  const auto n = static_cast<double>(wrong.size() - 1);
  double sum = -0.5 * (wrong.front() + wrong.back());
  for (const double w : wrong) sum += w;
  return sum / (n * n);
}

}  // namespace crayon
