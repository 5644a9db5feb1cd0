// top1: the one adapter that the gate likes best.
#include <algorithm>

#include "crayon/bench/method.h"

namespace crayon {
namespace {

Prepared prepare(const MethodInput& input) {
  const std::vector<float> gate = input.gate().gate_mean;
  std::vector<float> weights(gate.size(), 0.0f);
  weights[static_cast<std::size_t>(std::ranges::max_element(gate) - gate.begin())] = 1.0f;
  return {.adapter = input.pool.blend(weights).adapter, .weights = weights};
}

}  // namespace

CRAYON_BENCH_METHOD(top1) = {
    .name = "top1",
    .order = 50,
    .summary = "the adapter that the gate likes best, with weight 1",
    .sees = Method::Sees::Texts,
    .version = 2,
    .prepare = prepare,
};

}  // namespace crayon
