// query-logistic: from the query's embedding alone, as RouteLLM's routers decide: P(only the server
// is right), a logistic regression on z trained on the K labelled examples of each OTHER task of
// the plan, both sides' answers to them known. Nothing of the user's task is seen.
#include "crayon/bench/route/internal/logistic.h"
#include "crayon/bench/route/router.h"

namespace crayon {

namespace {

std::vector<double> score(const RouterInput& input) {
  const Logistic fit = fit_logistic(input.others.z, only_server(input.others));
  std::vector<double> scores;
  for (std::size_t i = 0; i < input.rows.size(); ++i) {
    scores.push_back(-fit.logit(input.rows.z.row(i)));
  }
  return scores;
}

}  // namespace

CRAYON_BENCH_ROUTER(query_logistic) = {
    .name = "query-logistic",
    .order = 90,
    .summary = "logistic regression on the query's embedding, trained on other tasks",
    .knows = BenchRouter::Knows::OtherTasks,
    .version = 1,
    .score = score,
};

}  // namespace crayon
