// always: the server answers everything.
#include "crayon/bench/route/router.h"

namespace crayon {

CRAYON_BENCH_ROUTER(always) = {
    .name = "always",
    .order = 30,
    .summary = "the server alone",
    .knows = BenchRouter::Knows::Nothing,
    .version = 1,
    .fixed_share = 1.0,
};

}  // namespace crayon
