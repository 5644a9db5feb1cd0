// lorahub-exact: LoraHub's search on the weighted sum of the deltas.
#include "crayon/adapter/lorahub.h"
#include "crayon/bench/internal/answer_loss.h"
#include "crayon/bench/method.h"

namespace crayon {
namespace {

Prepared prepare(const MethodInput& input) {
  const auto loss = [&](std::span<const float> weights) {
    return answer_loss(input, input.pool.blend(weights).adapter);
  };
  const LoraHubResult found = lorahub_search(input.pool.size(), loss);
  return {.adapter = input.pool.blend(found.weights).adapter, .weights = found.weights};
}

}  // namespace

CRAYON_BENCH_METHOD(lorahub_exact) = {
    .name = "lorahub-exact",
    .order = 110,
    .summary = "LoraHub's search for weights, on the sum of the products",
    .sees = Method::Sees::Labels,
    .version = 2,
    .prepare = prepare,
    .scores_by_mean = true,  // its loss is the mean log-prob of the right choice alone
};

}  // namespace crayon
