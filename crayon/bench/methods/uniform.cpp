// uniform: all adapters of the pool evenly.
#include "crayon/bench/method.h"

namespace crayon {
namespace {

Prepared prepare(const MethodInput& input) {
  const std::vector<float> even(input.pool.size(), 1.0f / static_cast<float>(input.pool.size()));
  return {.adapter = input.pool.blend(even).adapter, .weights = even};
}

}  // namespace

CRAYON_BENCH_METHOD(uniform) = {
    .name = "uniform",
    .order = 20,
    .summary = "all adapters of the pool, evenly",
    .sees = Method::Sees::Nothing,
    .version = 1,
    .prepare = prepare,
};

}  // namespace crayon
