#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "crayon/base/error.h"
#include "crayon/router/router.h"
#include "crayon/stats/stats.h"

namespace crayon {
namespace {

void check_log_scores(std::span<const float> scores, std::string_view where) {
  if (scores.empty()) {
    throw Error(ErrorCode::InvalidArgument, fmt::format("{}: none; expected at least one", where));
  }
  for (std::size_t i = 0; i < scores.size(); ++i) {
    if (std::isfinite(scores[i])) continue;
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("{}: number {} of {} is {}; expected a finite one", where, i,
                            scores.size(), scores[i]));
  }
}

}  // namespace

ChoiceSignals choice_signals(std::span<const float> scores) {
  check_log_scores(scores, "scores of choices");
  std::vector<double> p = log_softmax(scores);
  ChoiceSignals out;
  for (double& x : p) {
    const double probability = std::exp(x);
    out.entropy -= probability * x;
    x = probability;
  }
  if (p.size() == 1) return {};
  out.entropy = std::clamp(out.entropy / std::log(static_cast<double>(p.size())), 0.0, 1.0);
  std::partial_sort(p.begin(), p.begin() + 2, p.end(), std::greater<>());
  out.top = p[0];
  out.margin = p[0] - p[1];
  return out;
}

ChoiceSignals text_signals(std::span<const float> token_log_probs) {
  check_log_scores(token_log_probs, "log-probs of tokens");
  double sum = 0;
  std::vector<double> probabilities;
  for (const float x : token_log_probs) {
    sum += std::min(0.0, double{x});
    probabilities.push_back(std::exp(std::min(0.0, double{x})));
  }
  const double mean = sum / static_cast<double>(token_log_probs.size());
  return {.top = std::exp(mean),
          .margin = quantile(std::move(probabilities), 0.1),
          .entropy = std::min(1.0, -mean),
          .free_text = true};
}

}  // namespace crayon
