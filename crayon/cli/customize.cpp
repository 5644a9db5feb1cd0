// crayon customize: examples in, one task file out.
#include "crayon/session/customize.h"

#include <fmt/format.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <chrono>
#include <iostream>

#include "crayon/base/clock.h"
#include "crayon/base/error.h"
#include "crayon/base/files.h"
#include "crayon/cli/commands.h"
#include "crayon/cli/common.h"
#include "crayon/cli/internal/finite.h"
#include "crayon/cli/report.h"
#include "crayon/formats/examples.h"

namespace crayon {
namespace {

struct CustomizeArgs {
  CommonArgs common;
  ModelArgs model;
  BlendArgs blend;
  std::filesystem::path pool;
  std::filesystem::path examples;
  std::size_t limit = 0;
  std::string name;
  std::filesystem::path out;
  bool refine = false;
  bool no_compare = false;
  bool local_only = false;
  std::vector<float> weights;
};

/// The task's name: as given, else after the output or the examples file.
std::string task_name(const CustomizeArgs& args) {
  if (!args.name.empty()) return args.name;
  std::string name = (args.out.empty() ? args.examples : args.out).filename().string();
  name.resize(std::min(name.find('.'), name.size()));
  for (char& c : name) {
    const bool keep = std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-';
    if (!keep) c = '-';
  }
  while (name.starts_with('-')) name.erase(0, 1);
  return name.empty() || name == "base" ? "task" : name.substr(0, 64);
}

CustomizeOptions options_of(const CustomizeArgs& args) {
  return {.name = task_name(args),
          .blend = blend_options(args.blend),
          .refine = args.refine,
          .weights = args.weights,
          .leave_one_out = !args.no_compare,
          .local_only = args.local_only,
          .context_tokens = args.model.context_tokens,
          .type = TensorType::F16};
}

void run_customize(const CustomizeArgs& args, std::ostream& out, std::ostream& notes) {
  const auto start = std::chrono::steady_clock::now();
  const CustomizeOptions options = options_of(args);
  check_task_name(options.name);
  if (!args.out.empty()) check_output(args.out);
  const auto examples = read_examples(args.examples, args.limit);
  Pool pool = Pool::open(args.pool);
  const auto model = open_base_model(args.model, &pool.manifest().base, args.common, notes);
  EngineOptions engine_settings = engine_options(args.model, args.common);
  engine_settings.splits = true;
  const auto engine = model->open_engine(engine_settings);
  CustomizeResult result;
  result.load_seconds = seconds_since(start);

  StepReporter progress(notes, !args.common.quiet);
  result.report = customize(pool, *model, *engine, examples, options, std::ref(progress));
  progress.finish();
  warn_base_fit(result.report.base_fit, pool.manifest().base, model->base());

  const auto write = std::chrono::steady_clock::now();
  if (args.out.empty()) {
    result.file = store_task(options.name, result.report.file);
  } else {
    write_atomically(args.out, result.report.file);
    result.file = args.out;
  }
  result.write_seconds = seconds_since(write);
  result.total_seconds = seconds_since(start);
  for (const auto& entry : pool.manifest().adapters) result.adapter_names.push_back(entry.name);
  result.task_argument = args.out.empty() ? options.name : args.out.string();
  out << (args.common.json ? customize_json(result) + "\n" : customize_text(result));
}

}  // namespace

void add_customize_command(CLI::App& app) {
  auto args = std::make_shared<CustomizeArgs>();  // shared with the callback, which outlives us
  CLI::App* cmd = app.add_subcommand("customize", "Make a task from a pool and a few examples");
  cmd->add_option("--pool", args->pool, "Pool folder")->required();
  cmd->add_option("--examples", args->examples, "JSONL file of examples, or - for standard input")
      ->required();
  cmd->add_option("--limit", args->limit, "Read at most so many examples");
  cmd->add_option("--name", args->name, "Name of the task; default: after the file");
  cmd->add_option("-o,--out", args->out,
                  "File to write instead of the stored task; replaced in one step");
  add_blend_options(*cmd, args->blend);
  CLI::Option* refine =
      cmd->add_flag("--refine", args->refine, "Improve the weights on the examples' labels");
  cmd->add_option("--weights", args->weights, "N numbers in place of the gate's weights")
      ->delimiter(',')
      ->check(finite_number())
      ->excludes(refine);
  cmd->add_flag("--no-compare", args->no_compare,
                "Keep the blend without leave-one-out, though there are labels")
      ->excludes(refine);
  cmd->add_flag("--local-only", args->local_only,
                "Mark the task: `ask` and `eval` never send a question of it to a server");
  add_model_options(*cmd, args->model);
  add_common_options(*cmd, args->common);
  add_json_option(*cmd, args->common);
  cmd->callback([args] { run_customize(*args, std::cout, std::cerr); });
}

}  // namespace crayon
