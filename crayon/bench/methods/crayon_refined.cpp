// crayon-refined: the gate's weights, improved on the labels without a gradient (session/refine.h).
#include "crayon/bench/method.h"
#include "crayon/session/refine.h"

namespace crayon {
namespace {

Prepared prepare(const MethodInput& input) {
  const auto score_at = [&](std::span<const float> weights) {
    const Adapter adapter = input.pool.blend(weights).adapter;
    return input.scorer.score(&adapter, input.examples).scores;
  };
  std::vector<float> weights = input.gate().weights;
  if (input.examples.size() >= 2) {  // leave-one-out needs two: with one, the gate's weights stay
    const auto linear = linearise(weights, score_at(weights), input.answers(), score_at);
    weights = refine_weights(linear).weights;
  }
  return {.adapter = input.pool.blend(weights).adapter, .weights = weights};
}

}  // namespace

CRAYON_BENCH_METHOD(crayon_refined) = {
    .name = "crayon-refined",
    .order = 80,
    .summary = "the gate's blend, refined on the labels without a gradient",
    .sees = Method::Sees::Labels,
    .version = 3,
    .prepare = prepare,
};

}  // namespace crayon
