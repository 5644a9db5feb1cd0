// Which of several ways to answer is best, by leave-one-out on a task's labelled examples.
// Pure arithmetic on stored scores: nothing here runs the model.
//   loss = -log softmax(beta * scores)[answer], beta fitted without the example itself
// Beta makes the comparison one of ranking and not of boldness: confidence is calibrated later.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "crayon/base/matrix.h"
#include "crayon/gate/head.h"
#include "crayon/stats/stats.h"

namespace crayon {

/// What is known of the examples with choices. All lists run over the same n examples.
struct ChoiceData {
  std::vector<std::vector<std::string>> choices;
  std::vector<int> answers;  ///< Index of the right choice, -1 without a label.
  Matrix z;                  ///< [n, m]
};

/// Scores of every example's choices, [n][choices].
using ScoreTable = std::vector<std::vector<float>>;

/// One way to answer and how well it did on examples that it was not fitted on.
struct Candidate {
  std::string name;                 ///< "base", "blend+labels", "refined+labels+probe", ...
  double log_loss = 0;              ///< Mean over the labelled examples, natural logarithm.
  std::vector<double> losses = {};  ///< Of each labelled example.
  Accuracy accuracy;
  ScoreTable scores;  ///< Of the labelled examples, head applied, each fitted without itself.
  Head head;          ///< Fitted on all examples: what the task file gets.
};

/// Indices of the examples with a label.
[[nodiscard]] std::vector<std::size_t> labelled(const ChoiceData& data);

/// Judges final scores of the labelled examples; the head stays empty.
[[nodiscard]] Candidate judge(const std::string& name, const ScoreTable& scores,
                              std::span<const int> answers);

/// Scores of the labelled examples, each by the candidate that would be kept for all others. Their
/// errors owe nothing to the choice among candidates; those of the kept candidate do, as it was
/// chosen on the very examples (ours; nested leave-one-out without its second fit).
/// @param all  candidates over the same labelled examples, at least one
[[nodiscard]] ScoreTable nested_scores(std::span<const Candidate> all, std::size_t usual);

/// The candidates that one adapter's scores give: `name`; where labels are shared `name`+labels
/// (label calibration) and `name`+labels+probe; where the choices' states are known and there are
/// two answers, the last one of these without a probe with a choice probe on top: `name`+choices or
/// `name`+labels+choices.
/// @param scores  of all examples of `data`
/// @param states  likewise, [choices, d] of each; may be empty
[[nodiscard]] std::vector<Candidate> candidates(const std::string& name, const ChoiceData& data,
                                                const ScoreTable& scores,
                                                std::span<const Matrix> states = {});

/// The place of the one among candidates() that is kept unless another one is clearly better: with
/// a choice probe from kFewAnswers answers on, else with label calibration where labels repeat.
[[nodiscard]] std::size_t usual_candidate(std::span<const Candidate> all);
inline constexpr std::size_t kFewAnswers = 8;  ///< The least that was tried (customize.md).

/// Label calibration of all examples, with their answers where they have some; an empty head when
/// labels are not shared.
[[nodiscard]] Head label_head(const ChoiceData& data, const ScoreTable& scores);

/// The same with a choice probe on top, of the labelled examples, at least one.
/// @param states  [choices, d] of each example
[[nodiscard]] Head choice_head(const ChoiceData& data, const ScoreTable& scores,
                               std::span<const Matrix> states);

/// The one to keep: `all[usual]`, unless another one's losses are lower, example by example, by
/// more than two standard errors of their mean difference; then the one for which that difference
/// less these is greatest. The least loss alone is decided by chance when examples are few
/// (docs/design/customize.md).
/// @param all  judged on the same examples, at least 2
[[nodiscard]] const Candidate& choose_candidate(std::span<const Candidate> all, std::size_t usual);

/// Do these examples' choices repeat enough for label calibration?
[[nodiscard]] bool labels_shared(const ChoiceData& data);

/// The beta of the loss above that suits all examples, shrunk towards 1 (ours: a grid from 1/8 to
/// 16 with a normal prior of deviation 2 on log beta).
[[nodiscard]] double fit_scale(const ScoreTable& scores, std::span<const int> answers);

/// The probe of the labelled examples; an empty head when there is none.
[[nodiscard]] Head probe_head(const ChoiceData& data, double ridge = 0.3);

}  // namespace crayon
