// lorahub: its published search, which composes A and B apart (adapter/lorahub.h).
#include "crayon/adapter/lorahub.h"

#include "crayon/bench/internal/answer_loss.h"
#include "crayon/bench/method.h"

namespace crayon {
namespace {

Adapter compose(const Pool& pool, std::span<const float> weights) {
  std::vector<BlendPart> parts;
  for (std::size_t i = 0; i < pool.size(); ++i) parts.push_back({pool.adapters()[i], weights[i]});
  return lorahub_compose(parts);
}

Prepared prepare(const MethodInput& input) {
  const auto loss = [&](std::span<const float> weights) {
    return answer_loss(input, compose(input.pool, weights));
  };
  const LoraHubResult found = lorahub_search(input.pool.size(), loss);
  return {.adapter = compose(input.pool, found.weights), .weights = found.weights};
}

}  // namespace

CRAYON_BENCH_METHOD(lorahub) = {
    .name = "lorahub",
    .order = 100,
    .summary = "LoraHub's search for weights: A and B summed apart, 40 evaluations",
    .sees = Method::Sees::Labels,
    .version = 1,
    .prepare = prepare,
};

}  // namespace crayon
