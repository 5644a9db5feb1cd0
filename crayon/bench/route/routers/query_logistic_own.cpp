// query-logistic-own: as query-logistic, but trained on the K labelled examples of the user's own
// task; the server has to be asked for each of them.
#include "crayon/bench/route/internal/logistic.h"
#include "crayon/bench/route/router.h"

namespace crayon {

namespace {

std::vector<double> score(const RouterInput& input) {
  const Logistic fit = fit_logistic(input.own.z, only_server(input.own));
  std::vector<double> scores;
  for (std::size_t i = 0; i < input.rows.size(); ++i) {
    scores.push_back(-fit.logit(input.rows.z.row(i)));
  }
  return scores;
}

}  // namespace

CRAYON_BENCH_ROUTER(query_logistic_own) = {
    .name = "query-logistic-own",
    .order = 100,
    .summary = "the same, trained on the task's own examples",
    .knows = BenchRouter::Knows::BothSides,
    .version = 1,
    .score = score,
};

}  // namespace crayon
