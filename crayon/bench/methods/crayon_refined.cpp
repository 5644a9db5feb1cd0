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
  const std::vector<float> w0 = input.gate().weights;
  const auto linear = linearise(w0, score_at(w0), input.answers(), score_at);
  const std::vector<float> weights = refine_weights(linear).weights;
  return {.adapter = input.pool.blend(weights).adapter, .weights = weights};
}

}  // namespace

CRAYON_BENCH_METHOD(crayon_refined) = {
    .name = "crayon-refined",
    .order = 80,
    .summary = "the gate's blend, refined on the labels without a gradient",
    .sees = Method::Sees::Labels,
    .version = 2,
    .prepare = prepare,
};

}  // namespace crayon
