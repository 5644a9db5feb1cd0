// probe: ridge regression from the embedding to the labels; the model answers nothing.
#include "crayon/bench/method.h"
#include "crayon/session/candidates.h"

namespace crayon {
namespace {

Prepared prepare(const MethodInput& input) {
  ChoiceData data;
  data.z = input.z();
  data.answers = input.answers();
  for (const BenchRow& row : input.examples) data.choices.push_back(row.example.choices);
  Head head = probe_head(data);
  head.probe_weight = 1;
  return {.direct = [head](const BenchRow& row, std::span<const float> z) {
    const std::vector<float> none(row.example.choices.size(), 0.0f);
    return apply_head(head, row.example.choices, none, z);
  }};
}

}  // namespace

CRAYON_BENCH_METHOD(probe) = {
    .name = "probe",
    .order = 180,
    .summary = "ridge regression from the embedding to the labels",
    .sees = Method::Sees::Labels,
    .version = 1,
    .prepare = prepare,
};

}  // namespace crayon
