// oracle: first what only the server gets right, last what only the device does.
#include "crayon/bench/route/router.h"

namespace crayon {

namespace {

std::vector<double> score(const RouterInput& input) {
  std::vector<double> scores;
  for (std::size_t i = 0; i < input.rows.size(); ++i) {
    scores.push_back(int{input.outcome->device[i]} - int{input.outcome->server[i]});
  }
  return scores;
}

}  // namespace

CRAYON_BENCH_ROUTER(oracle) = {
    .name = "oracle",
    .order = 20,
    .summary = "knows who is right: the bound of all routers",
    .knows = BenchRouter::Knows::Answers,
    .version = 1,
    .score = score,
};

}  // namespace crayon
