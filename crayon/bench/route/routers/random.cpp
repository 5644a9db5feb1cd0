// random: all scores equal, so any order is as likely; metrics are its expectation.
#include "crayon/bench/route/router.h"

namespace crayon {

namespace {

std::vector<double> score(const RouterInput& input) {
  return std::vector<double>(input.rows.size(), 0.0);
}

}  // namespace

CRAYON_BENCH_ROUTER(random) = {
    .name = "random",
    .order = 10,
    .summary = "any question as likely as any other",
    .knows = BenchRouter::Knows::Nothing,
    .version = 1,
    .score = score,
};

}  // namespace crayon
