// crayon pool calibrate|scope: what the pool says of any task, fitted on sets that each play one.
#include <fmt/format.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>
#include <set>

#include "crayon/base/error.h"
#include "crayon/cli/internal/pool_edit_command.h"
#include "crayon/formats/data_sets.h"
#include "crayon/formats/examples.h"
#include "crayon/pool/edit_pool.h"
#include "crayon/session/make_pool.h"
#include "crayon/session/pool_calibration.h"

namespace crayon {
namespace {

namespace fs = std::filesystem;

struct GenericArgs : EditArgs {
  fs::path data;
  bool all_sets = false;
  std::size_t k = 32;
};

/// Those of the folder that the pool was trained on, or all.
std::vector<DataSet> wanted_sets(const GenericArgs& args, const PoolManifest& manifest) {
  std::vector<DataSet> sets = find_data_sets(args.data);
  if (args.all_sets) return sets;
  std::set<std::string> trained_on;
  for (const auto* list : {&manifest.adapters, &manifest.shared}) {
    for (const PoolAdapterEntry& entry : *list) {
      trained_on.insert(entry.trained_on.begin(), entry.trained_on.end());
    }
  }
  std::erase_if(sets, [&](const DataSet& set) { return !trained_on.contains(set.name); });
  if (!sets.empty()) return sets;
  throw Error(ErrorCode::NotFound,
              fmt::format("{}: no set that pool '{}' was trained on; give its data, or take all "
                          "sets of the folder with --all-sets",
                          args.data.string(), manifest.id));
}

/// Of each set rows that training did not see, where there are some.
std::vector<std::vector<Example>> unseen_examples(const GenericArgs& args,
                                                  const PoolManifest& manifest) {
  std::vector<std::vector<Example>> sets;
  for (const DataSet& set : wanted_sets(args, manifest)) {
    const fs::path& file = set.validation.empty() ? set.train : set.validation;
    sets.push_back(sample_prompts(file, args.limit, args.seed).examples);
  }
  return sets;
}

void run_scope(const GenericArgs& args, std::ostream& out, std::ostream& notes) {
  const Pool pool = Pool::open(args.folder);
  const auto sets = unseen_examples(args, pool.manifest());
  std::size_t examples = 0;
  for (const auto& set : sets) examples += set.size();
  const OpenBase base = open_base(args, &pool.manifest().base, notes);
  StepReporter steps(notes, !args.common.quiet, "prompts");
  const ScopeModel model =
      fit_pool_scope(pool, *base.model, *base.engine, sets, args.seed, std::ref(steps));
  steps.finish();
  if (!args.dry_run) write_edit(args.folder, with_scope_model(pool, model));
  print(args, out,
        {{"pool", pool.manifest().id},
         {"folder", args.folder.string()},
         {"sets", sets.size()},
         {"examples", examples},
         {"sizes", model.sizes}},
        fmt::format("pool     {} in {}\nscope    fitted on {} examples of {} sets, for tasks of {} "
                    "to {} examples and more\n",
                    pool.manifest().id, args.folder.string(), examples, sets.size(),
                    model.sizes.front(), model.sizes.back()));
}

void run_calibrate(const GenericArgs& args, std::ostream& out, std::ostream& notes) {
  Pool pool = Pool::open(args.folder);
  const auto sets = unseen_examples(args, pool.manifest());
  const OpenBase base = open_base(args, &pool.manifest().base, notes);
  StepReporter steps(notes, !args.common.quiet, "sets");
  const PoolCalibration fitted =
      fit_pool_calibration(pool, *base.model, *base.engine, sets, args.k, std::ref(steps));
  steps.finish();
  const Calibration& line = fitted.calibration;
  if (!args.dry_run) write_edit(args.folder, with_calibration(pool, line));
  print(args, out,
        {{"pool", pool.manifest().id},
         {"folder", args.folder.string()},
         {"sets", fitted.sets},
         {"left_out", fitted.left_out},
         {"questions", line.n},
         {"accuracy", fitted.accuracy},
         {"slope", line.slope},
         {"intercept", line.intercept},
         {"guess", line.guess}},
        fmt::format(
            "pool         {} in {}\ncalibration  slope {:.3f}, intercept {:.3f}, a guess is "
            "right with {:.3f}\n             fitted on {} questions to tasks of {} examples "
            "of {} sets{}, {:.3f} of them answered right\n",
            pool.manifest().id, args.folder.string(), line.slope, line.intercept, line.guess,
            line.n, args.k, fitted.sets,
            fitted.left_out == 0 ? ""
                                 : fmt::format(" ({} more have too few labels)", fitted.left_out),
            fitted.accuracy));
}

CLI::App* add_generic_command(CLI::App& pool, const std::string& name, const std::string& what,
                              GenericArgs& args) {
  args.limit = 128;
  CLI::App* cmd = add_edit_command(pool, name, what, args);
  cmd->add_option("pool,--pool", args.folder, "Pool folder")->required();
  cmd->add_option("--data", args.data, "Folder of data sets, each a kind of task")->required();
  cmd->add_flag("--all-sets", args.all_sets,
                "All of the folder's sets; default: those that the pool was trained on");
  add_prompt_options(*cmd, args, "examples of a set");
  return cmd;
}

}  // namespace

void add_scope_command(CLI::App& pool) {
  auto args = std::make_shared<GenericArgs>();
  CLI::App* cmd = add_generic_command(
      pool, "scope", "Fit what the pool says of requests that are not of a task", *args);
  cmd->callback([args] { run_scope(*args, std::cout, std::cerr); });
}

void add_calibrate_pool_command(CLI::App& pool) {
  auto args = std::make_shared<GenericArgs>();
  CLI::App* cmd = add_generic_command(
      pool, "calibrate", "Fit how sure a new task may be of its answers, from tasks made anew",
      *args);
  cmd->add_option("-k,--examples", args->k, "Labelled examples that each task is made from")
      ->check(CLI::Range(2, 4096));
  cmd->callback([args] { run_calibrate(*args, std::cout, std::cerr); });
}

}  // namespace crayon
