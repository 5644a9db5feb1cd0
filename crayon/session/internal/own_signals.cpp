#include "crayon/session/internal/own_signals.h"

#include <algorithm>

#include "crayon/gate/scope.h"
#include "crayon/router/router.h"

namespace crayon::internal {

ChoiceSignals raw_signals(const DecisionRecord& record) {
  return {.top = record.top,
          .margin = record.margin,
          .entropy = record.entropy,
          .free_text = !record.choices};
}

std::vector<double> router_scores(const ScoreTable& scores, const ChoiceData& data, bool compared,
                                  const Calibration& calibration, const ScopeModel& model) {
  const auto scope = p_values_among_others(data.z, model);
  const auto rows = labelled(data);
  const Router router(RouterOptions{});
  std::vector<double> out;
  for (std::size_t f = 0; f < scores.size(); ++f) {
    Signals signals{.confidence = confidence(calibration, choice_signals(scores[f])),
                    .scope = std::nullopt};
    if (!scope.empty()) signals.scope = scope[compared ? rows[f] : f];
    out.push_back(router.score(signals));
  }
  return out;
}

std::vector<JudgedSignals> judged_examples(const ScoreTable& scores, const ChoiceData& data) {
  std::vector<JudgedSignals> judged;
  const auto rows = labelled(data);
  for (std::size_t f = 0; f < rows.size(); ++f) {
    JudgedSignals one;
    one.signals = choice_signals(scores[f]);
    one.right = std::ranges::max_element(scores[f]) - scores[f].begin() == data.answers[rows[f]];
    judged.push_back(one);
  }
  return judged;
}

}  // namespace crayon::internal
