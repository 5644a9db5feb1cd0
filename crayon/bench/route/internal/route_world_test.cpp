#include "crayon/bench/route/internal/route_world_test.h"

#include <fmt/format.h>

namespace crayon {

RouteWorld::RouteWorld() {
  std::string lines;
  for (int k = 0; k < 12; ++k) {
    lines += fmt::format(
        R"({{"id":"third{0}","question":"third {0} up","choices":["red","blue"],"answer":{1}}})", k,
        (k / 2) % 2);
    lines += "\n";
  }
  world_.write("third.jsonl", lines);
  world_.write("routes.toml",
               "[tasks]\nnear = { data = \"near.jsonl\", kind = \"near\" }\n"
               "far = { data = \"far.jsonl\" }\nthird = { data = \"third.jsonl\" }\n");
  RemoteOptions options;
  options.servers.push_back({.url = server_.url(), .model = "big"});
  remote_ = std::make_unique<Remote>(options);
}

RoutePlan RouteWorld::plan(std::vector<std::uint64_t> seeds) const {
  RoutePlan plan;
  plan.tasks = read_task_list(world_.path("routes.toml"));
  plan.families = {{"near", "one"}, {"far", "one"}, {"third", "two"}};
  plan.k = 4;
  plan.seeds = std::move(seeds);
  plan.scope_examples = {3, 6, 64};
  plan.resamples = 50;
  plan.risk_resamples = 20;
  plan.risks = {0.05, 0.5};
  return plan;
}

RouteRun RouteWorld::run(const RoutePlan& plan, const std::string& work, bool asked,
                         RouteRunOptions options, const OnCell& on_cell) {
  const ResultStore store(world_.path(work));
  options.context_tokens = 128;
  return run_route(plan, world_.pool(), world_.model(), world_.engine(),
                   {{"big", asked ? remote_.get() : nullptr}}, store, options, on_cell);
}

}  // namespace crayon
