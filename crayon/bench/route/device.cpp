#include "crayon/bench/route/device.h"

#include "crayon/bench/result.h"
#include "crayon/gate/scope.h"
#include "crayon/session/calibrate.h"

namespace crayon {
namespace {

CustomizeReport customized(Pool& pool, BenchScorer& scorer, const std::vector<BenchRow>& rows) {
  std::vector<Example> examples;
  for (const BenchRow& row : rows) examples.push_back(row.example);
  return customize(pool, scorer.model(), scorer.engine(), examples);
}

/// The task without its file: it is never set on an engine here.
OpenTask opened(const TaskInfo& info) {
  return {.name = info.name, .file = {}, .info = info, .prompt = info.prompt, .first_layer = 0};
}

/// One row of answers.
/// @param raw    scores before the head
/// @param scope  1 where the task has none
void add_row(const BenchRow& row, const std::vector<float>& raw, std::vector<float> scores,
             double scope, DeviceRows& to) {
  for (float& x : scores) x = static_cast<float>(rounded(static_cast<double>(x)));
  const int choice = best_choice(scores);
  to.right.push_back(choice == *row.example.answer);
  to.log_prob.push_back(double{raw[static_cast<std::size_t>(choice)]});
  to.scores.push_back(std::move(scores));
  to.scope.push_back(scope);
}

void fit_rows(DeviceRows& rows, const Calibration& calibration) {
  rows.confidence.clear();
  for (const auto& scores : rows.scores) {
    rows.confidence.push_back(confidence(calibration, choice_signals(scores)));
  }
}

}  // namespace

void fit_confidences(DeviceResult& result, const Calibration& of_pool) {
  DeviceRows& examples = result.examples;
  std::vector<JudgedSignals> judged;
  double guess = 0;
  for (std::size_t k = 0; k < examples.size(); ++k) {
    judged.push_back(
        {.signals = choice_signals(examples.scores[k]), .right = examples.right[k] != 0});
    guess += guess_probability(examples.scores[k].size()) / static_cast<double>(examples.size());
  }
  const bool approximate = result.calibration.approximate;
  result.calibration = fit_to_judged(judged, generic_for(of_pool, guess));
  result.calibration.approximate = approximate;
  for (DeviceRows* rows : {&examples, &result.questions, &result.mixed}) {
    fit_rows(*rows, result.calibration);
  }
  const Router router(RouterOptions{});
  result.recent_scores.clear();
  for (std::size_t k = 0; k < examples.size(); ++k) {
    result.recent_scores.push_back(
        router.score({.confidence = examples.confidence[k], .scope = examples.scope[k]}));
  }
}

RouteDevice::RouteDevice(Pool& pool, BenchScorer& scorer, const std::vector<BenchRow>& examples)
    : pool_(pool),
      scorer_(scorer),
      examples_(examples),
      report_(customized(pool, scorer, examples)),
      base_(report_.kept.starts_with("base")),
      task_(scorer.model(), opened(*report_.task.info)) {}

RowScores RouteDevice::raw_scores(const std::vector<BenchRow>& rows) {
  const Adapter* adapter = base_ ? nullptr : &report_.task.adapter;
  return info().head.choice_probe.empty() ? scorer_.score(adapter, rows)
                                          : scorer_.score_with_states(adapter, rows);
}

DeviceRows RouteDevice::answer(const std::vector<BenchRow>& rows) {
  DeviceRows found;
  if (rows.empty()) return found;
  const RowScores raw = raw_scores(rows);
  const Matrix hidden = scorer_.embed(rows, info().embedding);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    ScoreResult scored;
    for (const float score : raw.scores[i]) {
      scored.choices.push_back({.sum_log_prob = score, .tokens = 1, .state = {}});
    }
    for (std::size_t c = 0; !raw.states.empty() && c < scored.choices.size(); ++c) {
      const auto state = raw.states[i].row(c);
      scored.choices[c].state.assign(state.begin(), state.end());
    }
    const auto h = hidden.row(i);
    scored.hidden.assign(h.begin(), h.end());
    DeviceChoice choice = task_.judge(rows[i].example, scored);
    const double scope = choice.signals.scope.value_or(1);
    add_row(rows[i], raw.scores[i], std::move(choice.scores), scope, found);
  }
  return found;
}

DeviceRows RouteDevice::answer_examples() {
  const ScoreTable raw = raw_scores(examples_).scores;
  const ScoreTable& scores = report_.judged_scores;
  const auto scope = p_values_among_others(info().scope_examples, info().scope);
  DeviceRows found;
  for (std::size_t k = 0; k < examples_.size(); ++k) {
    add_row(examples_[k], raw[k], scores[k], scope.empty() ? 1 : scope[k], found);
  }
  return found;
}

}  // namespace crayon
