// lora-k: a LoRA trained on the same K examples.
#include "crayon/bench/method.h"

namespace crayon {
namespace {

constexpr std::size_t kPasses = 10;

Prepared prepare(const MethodInput& input) {
  const TrainedLora lora = input.tools.train({.rows = &input.examples,
                                              .name = "lora-k",
                                              .samples = kPasses * input.examples.size(),
                                              .rank = 4,
                                              .learning_rate = 2e-3});
  return {.adapter = lora.adapter, .seconds = lora.seconds};
}

}  // namespace

CRAYON_BENCH_METHOD(lora_k) = {
    .name = "lora-k",
    .order = 160,
    .summary = "a LoRA of rank 4, trained on the K examples (10 passes)",
    .sees = Method::Sees::Labels,
    .version = 1,
    .prepare = prepare,
    .missing = [](const Pool&, const BenchTools& tools) -> std::string {
      return tools.train ? "" : "this build has no crayon-trainer";
    },
    .of_pool = false,
};

}  // namespace crayon
