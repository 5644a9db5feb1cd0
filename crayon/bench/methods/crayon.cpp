// crayon: the gate's blend. Labels are not needed.
#include "crayon/bench/method.h"

namespace crayon {
namespace {

Prepared prepare(const MethodInput& input) {
  const std::vector<float> weights = input.gate().weights;
  return {.adapter = input.pool.blend(weights).adapter, .weights = weights};
}

}  // namespace

CRAYON_BENCH_METHOD(crayon) = {
    .name = "crayon",
    .order = 70,
    .summary = "the pool blended by its gate",
    .sees = Method::Sees::Texts,
    .version = 3,
    .prepare = prepare,
};

}  // namespace crayon
