// crayon: what the router compares: calibrated confidence, less where the request is out of scope.
#include "crayon/bench/route/router.h"

namespace crayon {

namespace {

std::vector<double> score(const RouterInput& input) {
  const Router router(RouterOptions{});
  std::vector<double> scores;
  for (std::size_t i = 0; i < input.rows.size(); ++i) {
    scores.push_back(
        router.score({.confidence = input.rows.confidence[i], .scope = input.rows.scope[i]}));
  }
  return scores;
}

}  // namespace

CRAYON_BENCH_ROUTER(crayon) = {
    .name = "crayon",
    .order = 0,
    .summary = "calibrated confidence times scope, as `crayon ask` routes",
    .knows = BenchRouter::Knows::Examples,
    .version = 1,
    .score = score,
};

}  // namespace crayon
