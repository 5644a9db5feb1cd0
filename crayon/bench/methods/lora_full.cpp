// lora-full: a LoRA of a wide rank, trained on the task's whole training split: what the model can
// learn of the task at all.
#include <algorithm>

#include "crayon/bench/method.h"
#include "crayon/bench/train_lora.h"

namespace crayon {
namespace {

constexpr std::size_t kMostRows = 2000;
constexpr std::size_t kMostPasses = 4;

std::vector<BenchRow> trains_on(const std::vector<BenchRow>&,
                                const std::vector<BenchRow>& training) {
  std::vector<BenchRow> rows = training;
  if (rows.size() > kMostRows) rows.resize(kMostRows);  // files are in seeded random order
  return rows;
}

Prepared prepare(const MethodInput& input) {
  const std::vector<BenchRow> rows = trains_on(input.examples, input.training);
  const TrainedLora lora = input.tools.train(
      {.rows = &rows,
       .name = "lora-full",
       .samples = std::min(kMostPasses * rows.size(), kMostRows),
       .max_tokens = tokens_to_train(input.scorer.model(), input.scorer.format(), rows),
       .rank = 32,
       .learning_rate = 1e-3});
  return {.adapter = lora.adapter, .seconds = lora.seconds};
}

}  // namespace

CRAYON_BENCH_METHOD(lora_full) = {
    .name = "lora-full",
    .order = 170,
    .summary = "a LoRA of rank 32, trained on up to 2,000 rows of the task",
    .sees = Method::Sees::Training,
    .version = 1,
    .prepare = prepare,
    .missing = [](const Pool&, const BenchTools& tools) -> std::string {
      return tools.train ? "" : "this build has no crayon-trainer";
    },
    .trains_on = trains_on,
    .of_pool = false,
};

}  // namespace crayon
