// mean-log-prob: of the tokens of the device's answer, before any correction of labels.
#include "crayon/bench/route/router.h"

namespace crayon {

namespace {

std::vector<double> score(const RouterInput& input) { return input.rows.log_prob; }

}  // namespace

CRAYON_BENCH_ROUTER(mean_log_prob) = {
    .name = "mean-log-prob",
    .order = 70,
    .summary = "highest mean log-prob of the answer's tokens stays",
    .knows = BenchRouter::Knows::Nothing,
    .version = 1,
    .score = score,
};

}  // namespace crayon
