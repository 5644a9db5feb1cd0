// scope: the p-value that a request belongs to the task.
#include "crayon/bench/route/router.h"

namespace crayon {

namespace {

std::vector<double> score(const RouterInput& input) { return input.rows.scope; }

}  // namespace

CRAYON_BENCH_ROUTER(scope) = {
    .name = "scope",
    .order = 110,
    .summary = "most usual for the task by embedding stays",
    .knows = BenchRouter::Knows::Nothing,
    .version = 1,
    .score = score,
};

}  // namespace crayon
