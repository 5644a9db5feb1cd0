// margin: of the two largest shares of the softmax over the choices' scores.
#include "crayon/bench/route/router.h"

namespace crayon {

namespace {

std::vector<double> score(const RouterInput& input) {
  std::vector<double> scores;
  for (const ChoiceSignals& signals : input.rows.signals) scores.push_back(signals.margin);
  return scores;
}

}  // namespace

CRAYON_BENCH_ROUTER(margin) = {
    .name = "margin",
    .order = 60,
    .summary = "largest margin between the two best choices stays",
    .knows = BenchRouter::Knows::Nothing,
    .version = 1,
    .score = score,
};

}  // namespace crayon
