// entropy: of the softmax over the choices' scores.
#include "crayon/bench/route/router.h"

namespace crayon {

namespace {

std::vector<double> score(const RouterInput& input) {
  std::vector<double> scores;
  for (const ChoiceSignals& signals : input.rows.signals) scores.push_back(-signals.entropy);
  return scores;
}

}  // namespace

CRAYON_BENCH_ROUTER(entropy) = {
    .name = "entropy",
    .order = 50,
    .summary = "least entropy of the choices' shares stays",
    .knows = BenchRouter::Knows::Nothing,
    .version = 1,
    .score = score,
};

}  // namespace crayon
