// crayon bench customize|report|methods: what customising and blending are worth, measured. What
// routing is worth: bench_route.cpp.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <iostream>

#include "crayon/base/error.h"
#include "crayon/base/files.h"
#include "crayon/bench/report.h"
#include "crayon/bench/route/report.h"
#include "crayon/bench/train_lora.h"
#include "crayon/cli/commands.h"
#include "crayon/cli/common.h"
#include "crayon/cli/internal/bench_common.h"
#include "crayon/cli/trainer_program.h"

namespace crayon {
namespace {

namespace fs = std::filesystem;

struct BenchArgs : BenchRunArgs {
  fs::path multitask;
  std::vector<std::string> methods;
  std::vector<std::size_t> k;
  std::string scoring;
  bool exact = false;
  std::vector<fs::path> reports;
};

/// What --plan, --quick or --tasks say, with the flags that narrow it.
BenchPlan plan_of(const BenchArgs& args) {
  BenchPlan plan;
  if (!args.tasks.empty()) {
    plan.tasks = read_task_list(args.tasks);
  } else if (args.quick) {
    plan = read_plan(find_plan("quick.toml"));
  } else {
    plan = read_plan(args.plan.empty() ? find_plan("full.toml") : args.plan);
  }
  if (!args.only.empty()) keep_tasks(plan, args.only);
  if (args.questions) plan.questions = *args.questions;
  if (!args.scoring.empty()) plan.scoring = parse_scoring(args.scoring);
  plan.exact = args.exact;
  if (!args.number_type.empty()) plan.number_type = parse_number_type(args.number_type);
  if (plan.grids.empty()) {
    plan.grids.push_back(
        {.methods = {all_methods().begin(), all_methods().end()}, .k = {32}, .seeds = {1, 2, 3}});
  }
  const std::vector<const Method*> methods = find_methods(args.methods);
  for (BenchGrid& grid : plan.grids) {
    if (!methods.empty()) grid.methods = methods;
    if (!args.k.empty()) grid.k = args.k;
    if (!args.seeds.empty()) grid.seeds = args.seeds;
  }
  return plan;
}

void say_missing(const BenchRun& run, std::ostream& notes) {
  for (const Unavailable& one : run.missing) {
    notes << fmt::format("left out {}: {}\n", one.method, one.why);
  }
  for (const Unavailable& one : run.abandoned) {
    notes << fmt::format("cannot go on with {}: {}\n", one.method, one.why);
  }
  if (run.results.size() == run.planned) return;
  notes << fmt::format(
      "partial: {} of {} results; run it again, with the report as --from on "
      "another machine, to go on\n",
      run.results.size(), run.planned);
}

RunOptions run_options(const BenchArgs& args, std::vector<EarlierResults> earlier,
                       std::ostream& notes) {
  RunOptions options;
  set_run_options(args, notes, options);
  // The store knows a server by its model: the port of one on loopback changes from run to run.
  options.server = fmt::format(
      "{}", fmt::join(args.server.model.empty() ? args.server.url : args.server.model, ", "));
  options.earlier = std::move(earlier);
  return options;
}

/// What stands in --multitask: results of a pool are known by its manifest, also where its adapters
/// are not there to work out more.
struct Rival {
  std::optional<Pool> pool;
  std::string id;
  std::string sha256;
};

Rival open_rival(const fs::path& folder) {
  if (folder.empty()) return {};
  const PoolManifest manifest = read_pool_manifest(folder);
  const bool is_bare = std::ranges::none_of(
      manifest.adapters,
      [&](const PoolAdapterEntry& adapter) { return fs::exists(folder / adapter.file); });
  Rival rival{.pool = {}, .id = manifest.id, .sha256 = pool_sha256(folder)};
  if (!is_bare) rival.pool = Pool::open(folder);
  return rival;
}

void write_reports(const BenchArgs& args, const std::string& json, std::ostream& out) {
  if (!args.out.empty()) write_report(args.out, json);
  if (!args.html.empty()) write_atomically(args.html, report_html(json, "this run"));
  out << (args.common.json ? json : report_text(json, "this run"));
}

void run_customize(const BenchArgs& args, std::ostream& out, std::ostream& notes) {
  check_outputs(args);
  const BenchPlan plan = plan_of(args);
  std::vector<EarlierResults> earlier;
  for (const fs::path& file : args.from) earlier.push_back(read_results(file));
  Pool pool = open_bench_pool(args.pool);
  Rival rival = open_rival(args.multitask);
  const auto remote = open_remote(args.server);
  const BenchModel found = find_bench_model(args.model, args.common, pool.manifest().base, notes);
  RunOptions options = run_options(args, std::move(earlier), notes);
  options.multitask = rival.id;
  options.tasks = load_tasks(plan);
  const std::shared_ptr<Model> model = open_bench_model(found, plan.number_type, args);
  const ResultStore store = open_store(args);
  BenchTools tools{
      .multitask = rival.pool ? &*rival.pool : nullptr, .remote = remote.get(), .train = {}};
  if (const fs::path trainer = find_trainer(); !trainer.empty()) {
    tools.train = make_lora_trainer(
        {.program = trainer, .model = found.file, .threads = args.common.threads}, pool, store);
  }
  EngineOptions engine_settings = engine_options(args.model, args.common);
  engine_settings.exact = plan.exact;
  engine_settings.splits = true;
  engine_settings.reuse_from = 64;  // few examples before many questions are read once
  const auto engine = model->open_engine(engine_settings);
  BenchSettings settings = bench_settings(args, found.base, pool);
  settings.multitask = rival.id;
  settings.multitask_sha256 = rival.sha256;
  settings.server = options.server;
  Progress progress(notes,
                    {.label = "bench", .total = 0, .unit = "cells", .enabled = !args.common.quiet});
  const BenchRun run = run_bench(plan, pool, *model, *engine, tools, store, std::move(options),
                                 [&](std::size_t done, std::size_t total, const std::string& what) {
                                   progress.set_total(total);
                                   progress.set(done, what);
                                 });
  if (!args.common.quiet) say_missing(run, notes);
  write_reports(args, report_json(run, plan, settings), out);
}

/// One report of bench route. @return false: it is none
bool run_route_report(const BenchArgs& args, std::ostream& out) {
  const fs::path& file = args.reports.front();
  const std::string json = read_any_report(file);
  if (!is_route_report(json)) return false;
  if (args.reports.size() != 1) {
    throw Error(
        ErrorCode::Unsupported,
        fmt::format("{}: reports of bench route are not compared; name one alone", file.string()));
  }
  if (!args.html.empty()) write_atomically(args.html, route_report_html(json, file.string()));
  out << route_report_text(json, file.string());
  return true;
}

void run_report(const BenchArgs& args, std::ostream& out) {
  if (!args.html.empty()) check_output(args.html);
  if (run_route_report(args, out)) return;
  std::vector<NamedReport> reports;
  for (const fs::path& file : args.reports) reports.push_back({file.string(), read_report(file)});
  if (!args.html.empty()) {
    if (reports.size() != 1) {
      throw Error(ErrorCode::InvalidArgument,
                  fmt::format("--html makes the page of one report; {} are given", reports.size()));
    }
    write_atomically(args.html, report_html(reports.front().json, reports.front().name));
  }
  out << (reports.size() == 1 ? report_text(reports.front().json, reports.front().name)
                              : compare_text(reports));
}

void run_methods(std::ostream& out) {
  for (const Method* method : all_methods()) {
    out << fmt::format("{:16} {}\n", method->name, method->summary);
  }
}

void add_customize(CLI::App& bench, const std::shared_ptr<BenchArgs>& args) {
  CLI::App* cmd = bench.add_subcommand(
      "customize", "Compare ways to customise the model from K examples of each task");
  add_run_options(*cmd, *args,
                  {.pool = "Pool folder; default: the only one in pools/",
                   .plan = "What to run (TOML); default: benchmarks/full.toml",
                   .quick = "benchmarks/quick.toml: a first table in minutes",
                   .tasks = "A task list (TOML) of yours, all methods"});
  cmd->add_option(
      "--multitask", args->multitask,
      "Pool of one LoRA, trained on the same data: the rival 'multitask'; its pool.json alone "
      "keeps earlier results");
  cmd->add_option("--methods", args->methods, "Only these methods, with commas; all: every one")
      ->delimiter(',');
  cmd->add_option("-k,--examples", args->k, "Numbers of examples, with commas")
      ->delimiter(',')
      ->check(CLI::Range(1, 4096));
  cmd->add_option("--scoring", args->scoring,
                  "mean (per token; default), sum, character (sum over length) or letter");
  cmd->add_flag(
      "--exact", args->exact,
      "Keys and values in F32 and no flash attention: for comparison with other programs");
  cmd->callback([args] { run_customize(*args, std::cout, std::cerr); });
}

}  // namespace

void add_bench_commands(CLI::App& app) {
  auto args = std::make_shared<BenchArgs>();  // shared with the callbacks, which outlive us
  CLI::App* bench = app.add_subcommand("bench", "Measure what customising and routing are worth");
  bench->require_subcommand(1);
  add_customize(*bench, args);
  add_bench_route_command(*bench);
  CLI::App* report = bench->add_subcommand("report", "Show a report, or compare several");
  report->add_option("reports", args->reports, "Reports of bench customize, or one of bench route")
      ->required();
  report->add_option("--html", args->html, "Page to write, of one report");
  report->callback([args] { run_report(*args, std::cout); });
  bench->add_subcommand("methods", "The methods that can be compared")->callback([] {
    run_methods(std::cout);
  });
}

}  // namespace crayon
