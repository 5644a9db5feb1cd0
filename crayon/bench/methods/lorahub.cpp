// lorahub: its published search, which composes A and B apart (adapter/lorahub.h).
#include "crayon/adapter/lorahub.h"

#include "crayon/bench/internal/answer_loss.h"
#include "crayon/bench/method.h"

namespace crayon {
namespace {

Prepared prepare(const MethodInput& input) {
  const auto composed = [&](std::span<const float> weights) {
    return input.on_shared(lorahub_compose(input.parts(weights)), weights);
  };
  const auto loss = [&](std::span<const float> weights) {
    return answer_loss(input, composed(weights));
  };
  const LoraHubResult found = lorahub_search(input.pool.size(), loss);
  return {.adapter = composed(found.weights), .weights = found.weights};
}

}  // namespace

CRAYON_BENCH_METHOD(lorahub) = {
    .name = "lorahub",
    .order = 100,
    .summary = "LoraHub's search for weights: A and B summed apart, 40 evaluations",
    .sees = Method::Sees::Labels,
    .version = 2,
    .prepare = prepare,
    .scores_by_mean = true,  // its loss is the mean log-prob of the right choice alone
};

}  // namespace crayon
