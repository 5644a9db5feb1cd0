// random: weights drawn evenly from the simplex, Dirichlet(1, ..., 1).
#include <cmath>

#include "crayon/bench/method.h"

namespace crayon {
namespace {

Prepared prepare(const MethodInput& input) {
  Rng rng = input.rng("random weights");
  std::vector<float> weights(input.pool.size());
  double sum = 0;
  std::vector<double> draws(weights.size());
  for (double& draw : draws) sum += draw = -std::log(1 - rng.uniform());
  for (std::size_t i = 0; i < weights.size(); ++i) weights[i] = static_cast<float>(draws[i] / sum);
  return {.adapter = input.pool.blend(weights).adapter, .weights = weights};
}

}  // namespace

CRAYON_BENCH_METHOD(random) = {
    .name = "random",
    .order = 30,
    .summary = "random weights of the simplex (Dirichlet)",
    .sees = Method::Sees::Nothing,  // they seed its draw, no more
    .version = 2,
    .prepare = prepare,
};

}  // namespace crayon
