// ties: the gate's weights, merged by TIES on A and B apart (density 0.5, total sign).
#include "crayon/adapter/merge.h"
#include "crayon/bench/method.h"

namespace crayon {
namespace {

Prepared prepare(const MethodInput& input) {
  const std::vector<float> weights = input.gate().weights;
  return {.adapter = input.on_shared(merge_ties(input.parts(weights)), weights),
          .weights = weights};
}

}  // namespace

CRAYON_BENCH_METHOD(ties) = {
    .name = "ties",
    .order = 140,
    .summary = "the gate's weights, trimmed and merged by elected signs (TIES, density 0.5)",
    .sees = Method::Sees::Texts,
    .version = 3,
    .prepare = prepare,
};

}  // namespace crayon
