// multitask: one LoRA of the pool's total rank, trained on the pool's data: its strongest rival.
#include "crayon/bench/method.h"

namespace crayon {

CRAYON_BENCH_METHOD(multitask) = {
    .name = "multitask",
    .order = 200,
    .summary = "one LoRA of the pool's total rank, trained on the pool's data",
    .sees = Method::Sees::Nothing,
    .version = 1,
    .prepare =
        [](const MethodInput& input) {
          const std::vector<float> one(input.tools.multitask->size(), 1.0f);
          return Prepared{.adapter = input.tools.multitask->blend(one).adapter};
        },
    .missing = [](const Pool&, const BenchTools& tools) -> std::string {
      return tools.multitask == nullptr ? "no --multitask pool with its adapters is given" : "";
    },
    .uses = Method::Uses::Multitask,
    .of_pool = false,
};

}  // namespace crayon
