// linear: the gate's weights, but A and B summed apart, as PEFT's "linear" does.
#include "crayon/adapter/merge.h"
#include "crayon/bench/method.h"

namespace crayon {
namespace {

Prepared prepare(const MethodInput& input) {
  const std::vector<float> weights = input.gate().weights;
  return {.adapter = input.on_shared(merge_linear(input.parts(weights)), weights),
          .weights = weights};
}

}  // namespace

CRAYON_BENCH_METHOD(linear) = {
    .name = "linear",
    .order = 130,
    .summary = "the gate's weights, A and B summed apart (PEFT's linear)",
    .sees = Method::Sees::Texts,
    .version = 3,
    .prepare = prepare,
};

}  // namespace crayon
