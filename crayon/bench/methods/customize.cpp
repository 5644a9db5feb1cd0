// customize: what `crayon customize` keeps: blend or base, with or without label calibration and
// probes, by leave-one-out. Its head belongs to it, so the switch of label calibration leaves it as
// it is.
#include "crayon/session/customize.h"

#include "crayon/bench/method.h"

namespace crayon {
namespace {

Prepared prepare(const MethodInput& input) {
  std::vector<Example> examples;
  for (const BenchRow& row : input.examples) examples.push_back(row.example);
  CustomizeReport report =
      customize(input.pool, input.scorer.model(), input.scorer.engine(), examples);
  return {.adapter = std::move(report.task.adapter),
          .head = std::move(report.task.info->head),
          .owns_head = true,
          .weights = std::move(report.weights)};
}

}  // namespace

CRAYON_BENCH_METHOD(customize) = {
    .name = "customize",
    .order = 90,
    .summary = "what `crayon customize` keeps by leave-one-out, head included",
    .sees = Method::Sees::Labels,
    .version = 7,
    .prepare = prepare,
    .scores_by_mean = true,
};

}  // namespace crayon
