// lora-k: a LoRA trained on the same K examples.
#include "crayon/bench/method.h"
#include "crayon/bench/train_lora.h"

namespace crayon {
namespace {

constexpr std::size_t kPasses = 10;

std::vector<BenchRow> trains_on(const std::vector<BenchRow>& examples,
                                const std::vector<BenchRow>&) {
  return examples;
}

Prepared prepare(const MethodInput& input) {
  const std::vector<BenchRow>& rows = input.examples;
  const TrainedLora lora = input.tools.train(
      {.rows = &rows,
       .name = "lora-k",
       .samples = kPasses * rows.size(),
       .max_tokens = tokens_to_train(input.scorer.model(), input.scorer.format(), rows),
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
    .trains_on = trains_on,
    .of_pool = false,
};

}  // namespace crayon
