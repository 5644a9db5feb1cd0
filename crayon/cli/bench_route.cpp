// crayon bench route: what routing between the device and a larger LLM is worth, measured.
#include <fmt/format.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <iostream>

#include "crayon/base/error.h"
#include "crayon/base/files.h"
#include "crayon/bench/plan.h"
#include "crayon/bench/route/report.h"
#include "crayon/bench/route/run.h"
#include "crayon/cli/commands.h"
#include "crayon/cli/common.h"
#include "crayon/cli/internal/bench_common.h"

namespace crayon {
namespace {

namespace fs = std::filesystem;

struct RouteArgs : BenchRunArgs {
  std::optional<std::size_t> k;
};

/// --quick: enough to see that all works, in minutes.
void make_quick(RoutePlan& plan) {
  const std::vector<std::string> few = {"clinc_banking", "clinc_small_talk", "mmlu_miscellaneous",
                                        "openbookqa"};
  keep_tasks(plan, few);
  plan.questions = 30;
  plan.resamples = 300;
}

RoutePlan plan_of(const RouteArgs& args) {
  RoutePlan plan;
  if (!args.tasks.empty()) {
    plan.tasks = read_task_list(args.tasks);
  } else {
    plan = read_route_plan(args.plan.empty() ? find_plan("route.toml") : args.plan);
  }
  if (args.quick) make_quick(plan);
  if (!args.only.empty()) keep_tasks(plan, args.only);
  if (args.questions) plan.questions = *args.questions;
  if (args.k) plan.k = *args.k;
  if (!args.seeds.empty()) plan.seeds = args.seeds;
  if (!args.number_type.empty()) plan.number_type = parse_number_type(args.number_type);
  check_route_plan(plan);
  return plan;
}

/// One client for each server that is given, and the names of all servers that the report is about:
/// the plan's, then others.
struct RouteServers {
  std::vector<std::unique_ptr<Remote>> clients;
  std::vector<RouteServer> all;
};

/// The i-th of a list of flags, where there is one.
std::vector<std::string> only_at(const std::vector<std::string>& list, std::size_t i) {
  return i < list.size() ? std::vector<std::string>{list[i]} : std::vector<std::string>{};
}

RouteServers open_servers(const ServerArgs& args, const RoutePlan& plan) {
  if (!args.url.empty() && args.model.size() != args.url.size()) {
    throw Error(
        ErrorCode::InvalidArgument,
        fmt::format("{} --server-url and {} --server-model; bench route compares servers by "
                    "their models' names: give one for each",
                    args.url.size(), args.model.size()));
  }
  RouteServers servers;
  for (const std::string& name : plan.servers) servers.all.push_back({name, nullptr});
  for (std::size_t i = 0; i < args.url.size(); ++i) {
    ServerArgs one = args;
    one.url = only_at(args.url, i);
    one.model = only_at(args.model, i);
    one.key_file = only_at(args.key_file, i);
    one.ca_file = only_at(args.ca_file, i);
    one.price = only_at(args.price, i);
    servers.clients.push_back(open_remote(one));
    const std::string& name = args.model[i];
    auto found = std::ranges::find(servers.all, name, &RouteServer::name);
    if (found == servers.all.end()) found = servers.all.insert(found, {name, nullptr});
    if (found->remote != nullptr) {
      throw Error(ErrorCode::InvalidArgument,
                  fmt::format("--server-model '{}' is given twice; the report tells servers apart "
                              "by it",
                              name));
    }
    found->remote = servers.clients.back().get();
  }
  if (servers.all.empty()) {
    throw Error(ErrorCode::InvalidArgument,
                "no server: give --server-url and --server-model, or name servers in the plan");
  }
  return servers;
}

void say_missing(const RouteRun& run, std::ostream& notes) {
  for (const Unavailable& one : run.missing) {
    notes << fmt::format("not asked {}: {}\n", one.method, one.why);
  }
  const std::size_t done = run.device.size() + run.server.size();
  if (done == run.planned) return;
  notes << fmt::format(
      "partial: {} of {} results; run it again, with the report as --from on another machine, to "
      "go on\n",
      done, run.planned);
}

RouteRunOptions run_options(const RouteArgs& args, std::vector<EarlierRoutes> earlier,
                            std::ostream& notes) {
  RouteRunOptions options;
  set_run_options(args, notes, options);
  options.earlier = std::move(earlier);
  return options;
}

void run_bench_route(const RouteArgs& args, std::ostream& out, std::ostream& notes) {
  check_outputs(args);
  const RoutePlan plan = plan_of(args);
  const RouteServers servers = open_servers(args.server, plan);
  std::vector<EarlierRoutes> earlier;
  for (const fs::path& file : args.from) earlier.push_back(read_route_results(file));
  Pool pool = open_bench_pool(args.pool.empty() ? plan.pool : args.pool);
  const BenchModel found = find_bench_model(args.model, args.common, pool.manifest().base, notes);
  RouteRunOptions options = run_options(args, std::move(earlier), notes);
  options.tasks = load_tasks(plan.tasks, plan.questions, plan.k);
  const std::shared_ptr<Model> model = open_bench_model(found, plan.number_type, args);
  const ResultStore store = open_store(args);
  EngineOptions engine_settings = engine_options(args.model, args.common);
  engine_settings.splits = true;
  const auto engine = model->open_engine(engine_settings);
  Progress progress(notes,
                    {.label = "bench", .total = 0, .unit = "cells", .enabled = !args.common.quiet});
  const RouteRun run =
      run_route(plan, pool, *model, *engine, servers.all, store, std::move(options),
                [&](std::size_t done, std::size_t total, const std::string& what) {
                  progress.set_total(total);
                  progress.set(done, what);
                });
  if (!args.common.quiet) say_missing(run, notes);
  const std::string json = route_report_json(run, plan, bench_settings(args, found.base, pool));
  if (!args.out.empty()) write_report(args.out, json);
  if (!args.html.empty()) write_atomically(args.html, route_report_html(json, "this run"));
  out << (args.common.json ? json : route_report_text(json, "this run"));
}

void run_routers(std::ostream& out) {
  for (const BenchRouter* router : all_routers()) {
    out << fmt::format("{:20} {} (needs {})\n", router->name, router->summary,
                       to_string(router->knows));
  }
}

constexpr const char* kExamples = R"(Examples:
  crayon serve --model qwen2.5-coder-0.5b-instruct --name qwen2.5-coder-0.5b-instruct --port 8001 &
  crayon bench route --quick --server-url http://127.0.0.1:8001 \
      --server-model qwen2.5-coder-0.5b-instruct -o route.json.gz --html route.html
  crayon bench route --server-url URL1 --server-model small --server-url URL2 --server-model large
  crayon bench route --tasks mine.toml --server-url URL --server-model large --questions 100
  crayon bench report route.json.gz --html route.html
Every answer of a server is kept: run the same again to go on, on another machine with --from.)";

}  // namespace

void add_bench_route_command(CLI::App& bench) {
  auto args = std::make_shared<RouteArgs>();  // shared with the callback, which outlives us
  CLI::App* cmd =
      bench.add_subcommand("route", "Compare ways to decide which questions the larger LLM gets");
  cmd->footer(kExamples);
  add_run_options(*cmd, *args,
                  {.pool = "Pool folder; default: the plan's, or the only one in pools/",
                   .plan = "What to run (TOML); default: benchmarks/route.toml",
                   .quick = "Four tasks of the default plan with 30 questions: a first page in "
                            "minutes",
                   .tasks = "A task list (TOML) of yours; no families, no mixed traffic"});
  cmd->add_option("-k,--examples", args->k, "Labelled examples that a task is made from")
      ->check(CLI::Range(4, 4096));
  cmd->callback([args] { run_bench_route(*args, std::cout, std::cerr); });
  bench.add_subcommand("routers", "The routers that can be compared")->callback([] {
    run_routers(std::cout);
  });
}

}  // namespace crayon
