// choice-probe: the base without an adapter, and what its choices' states say of the labels
// (gate/choice_probe.h): what `customize` has of its examples where it has no pool.
#include "crayon/gate/choice_probe.h"

#include "crayon/bench/method.h"

namespace crayon {
namespace {

Prepared prepare(const MethodInput& input) {
  const RowScores base = input.scorer.score_with_states(nullptr, input.examples);
  ChoiceData data;
  data.answers = input.answers();
  for (const BenchRow& row : input.examples) data.choices.push_back(row.example.choices);
  data.z = Matrix(input.examples.size(), 0);
  Head head = label_head(data, base.scores);
  std::vector<AnsweredChoices> examples;
  for (std::size_t k = 0; k < input.examples.size(); ++k) {
    examples.push_back({.scores = apply_head(head, data.choices[k], base.scores[k], {}),
                        .states = base.states[k],
                        .answer = data.answers[k]});
  }
  head.choice_probe = fit_choice_probe(examples).direction;
  return {.head = std::move(head)};
}

}  // namespace

CRAYON_BENCH_METHOD(choice_probe) = {
    .name = "choice-probe",
    .order = 185,
    .summary = "the model without any adapter, its choices' states read by a probe of the labels",
    .sees = Method::Sees::Labels,
    .version = 1,
    .prepare = prepare,
    .of_pool = false,
};

}  // namespace crayon
