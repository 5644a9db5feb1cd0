// choice-probe: the base without an adapter, and what its choices' states say of the labels
// (gate/choice_probe.h): what `customize` has of its examples where it has no pool.
#include "crayon/bench/method.h"
#include "crayon/session/candidates.h"

namespace crayon {
namespace {

Prepared prepare(const MethodInput& input) {
  const RowScores base = input.scorer.score_with_states(nullptr, input.examples);
  ChoiceData data;
  data.answers = input.answers();
  for (const BenchRow& row : input.examples) data.choices.push_back(row.example.choices);
  return {.head = choice_head(data, base.scores, base.states), .owns_head = true};
}

}  // namespace

CRAYON_BENCH_METHOD(choice_probe) = {
    .name = "choice-probe",
    .order = 185,
    .summary = "the model without any adapter, its choices' states read by a probe of the labels",
    .sees = Method::Sees::Labels,
    .version = 2,
    .prepare = prepare,
    .of_pool = false,
};

}  // namespace crayon
