// dare: the gate's weights, merged by DARE on A and B apart (density 0.5).
#include "crayon/adapter/merge.h"
#include "crayon/bench/method.h"

namespace crayon {
namespace {

Prepared prepare(const MethodInput& input) {
  const std::vector<float> weights = input.gate().weights;
  return {.adapter = input.on_shared(
              merge_dare(input.parts(weights), 0.5, random_keep(0.5, input.rng("dare").next())),
              weights),
          .weights = weights};
}

}  // namespace

CRAYON_BENCH_METHOD(dare) = {
    .name = "dare",
    .order = 150,
    .summary = "the gate's weights, half of all entries dropped at random (DARE, density 0.5)",
    .sees = Method::Sees::Texts,
    .version = 3,
    .prepare = prepare,
};

}  // namespace crayon
