// shared: the pool's shared adapter alone, at full strength.
#include "crayon/bench/method.h"

namespace crayon {
namespace {

Prepared prepare(const MethodInput& input) {
  const std::vector<float> none(input.pool.size(), 0.0f);
  const BlendPart alone{*input.pool.shared(), 1.0f};
  return {.adapter = blend({&alone, 1}).adapter, .weights = none};
}

}  // namespace

CRAYON_BENCH_METHOD(shared) = {
    .name = "shared",
    .order = 60,
    .summary = "the pool's shared adapter alone, at full strength",
    .sees = Method::Sees::Nothing,
    .version = 2,
    .prepare = prepare,
    .missing = [](const Pool& pool, const BenchTools&) -> std::string {
      return pool.manifest().shared.empty() ? "the pool has no shared adapter" : "";
    },
};

}  // namespace crayon
