// never: the device answers everything.
#include "crayon/bench/route/router.h"

namespace crayon {

CRAYON_BENCH_ROUTER(never) = {
    .name = "never",
    .order = 40,
    .summary = "the device alone",
    .knows = BenchRouter::Knows::Nothing,
    .version = 1,
    .fixed_share = 0.0,
};

}  // namespace crayon
