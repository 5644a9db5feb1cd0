#include "crayon/bench/route/risk.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "crayon/base/error.h"
#include "crayon/base/random.h"
#include "crayon/router/threshold.h"

namespace crayon {
namespace {

void require(bool holds, const std::string& message) {
  if (!holds) throw Error(ErrorCode::InvalidArgument, message);
}

}  // namespace

std::optional<double> conformal_threshold(std::span<const double> scores,
                                          std::span<const std::uint8_t> right, double risk) {
  require(scores.size() == right.size(),
          fmt::format("risk: {} scores and {} answers; expected one for each", scores.size(),
                      right.size()));
  if (risk > 0 && scores.size() < examples_for_risk(risk)) return std::nullopt;
  std::vector<JudgedSignals> examples(scores.size());
  for (std::size_t i = 0; i < scores.size(); ++i) {
    examples[i].signals.margin = scores[i];
    examples[i].right = right[i] != 0;
  }
  const double above = risk_threshold(examples, risk).margin;
  if (!std::isfinite(above)) return above;
  // The rule's device answers above it, a router's from its threshold on.
  return std::nextafter(above, std::numeric_limits<double>::infinity());
}

RiskTrial try_risk(const RiskRows& rows, double risk, std::size_t n, std::size_t resamples,
                   std::uint64_t seed, const ThresholdRule& threshold) {
  require(n > 0 && n < rows.scores.size() && resamples > 1,
          fmt::format("risk: {} of {} rows drawn {} times; expected at least one, fewer than all, "
                      "and two draws",
                      n, rows.scores.size(), resamples));
  Rng rng(seed, "risk trial");
  std::vector<std::size_t> order(rows.scores.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::vector<double> realised;
  RiskTrial trial{.n = n};
  for (std::size_t r = 0; r < resamples; ++r) {
    rng.shuffle(order);
    std::vector<double> scores;
    std::vector<std::uint8_t> right;
    for (std::size_t i = 0; i < n; ++i) {
      scores.push_back(rows.scores[order[i]]);
      right.push_back(rows.right[order[i]]);
    }
    const auto at = threshold(scores, right, risk);
    if (!at) return {.n = n};
    double wrong = 0;
    double sent = 0;
    for (std::size_t i = n; i < order.size(); ++i) {
      const bool stays = rows.scores[order[i]] >= *at;
      sent += stays ? 0 : 1;
      wrong += stays && rows.right[order[i]] == 0 ? 1 : 0;
    }
    const auto others = static_cast<double>(order.size() - n);
    realised.push_back(wrong / others);
    trial.server_share += sent / others / static_cast<double>(resamples);
  }
  trial.resamples = resamples;
  const auto count = static_cast<double>(resamples);
  trial.mean = std::accumulate(realised.begin(), realised.end(), 0.0) / count;
  double squares = 0;
  for (const double x : realised) squares += (x - trial.mean) * (x - trial.mean);
  trial.deviation = std::sqrt(squares / (count - 1));
  trial.standard_error = trial.deviation / std::sqrt(count);
  return trial;
}

}  // namespace crayon
