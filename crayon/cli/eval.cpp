// crayon eval: accuracy of base, blended adapter, server and the mix on a labelled file.
#include <fmt/format.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <iostream>

#include "crayon/base/error.h"
#include "crayon/base/files.h"
#include "crayon/cli/commands.h"
#include "crayon/cli/common.h"
#include "crayon/cli/outgoing.h"
#include "crayon/cli/report.h"
#include "crayon/cli/routing.h"
#include "crayon/formats/examples.h"
#include "crayon/session/device.h"
#include "crayon/session/evaluate.h"

namespace crayon {
namespace {

struct EvalArgs {
  CommonArgs common;
  ModelArgs model;
  ServerArgs server;
  // Not logged: labelled questions are no use of the task.
  RouteArgs route;
  GuardArgs guards{.policy = {}, .budget = {}, .no_log = true};
  std::string task;
  std::filesystem::path data;
  std::filesystem::path details;
  std::filesystem::path out;
  std::filesystem::path curve;
  std::size_t limit = 0;
  std::size_t server_limit = 0;
  std::uint64_t seed = 1;
};

/// What draws the curve for a file of that name.
auto curve_writer(const std::filesystem::path& file) {
  const std::string ending = file.extension().string();
  if (ending == ".svg") return curve_svg;
  if (ending == ".html") return curve_page;
  if (ending == ".json") return curve_json;
  throw Error(
      ErrorCode::InvalidArgument,
      fmt::format("--curve {}: expected a file that ends in .svg, .html or .json", file.string()));
}

void run_eval(const EvalArgs& args, std::ostream& out, std::ostream& notes) {
  for (const auto& file : {args.details, args.out, args.curve}) {
    if (!file.empty()) check_output(file);
  }
  if (!args.curve.empty()) (void)curve_writer(args.curve);
  if (!args.curve.empty() && args.server.url.empty()) {
    throw Error(ErrorCode::InvalidArgument,
                "--curve is given, but no server to draw it for; add --server-url URL");
  }
  const auto questions = read_examples(args.data, args.limit);
  const OpenTask task = open_task(args.task);
  const auto remote = open_remote(args.server);
  const Guards guards(args.guards, server_list(args.server));
  const BaseModel* wanted = task.info ? &task.info->base : nullptr;
  const auto model = open_base_model(args.model, wanted, args.common, notes);
  if (wanted != nullptr) {
    warn_base_fit(TaskOnDevice(*model, task).base_fit(), *wanted, model->base());
  }
  const auto engine = model->open_engine(engine_options(args.model, args.common));
  EvaluateOptions options;
  options.door = guards.door();
  options.router = route_options(args.route, args.server, task);
  options.hold_back = args.route.hold_back;
  options.server_limit = args.server_limit;
  options.seed = args.seed;
  StepReporter progress(notes, !args.common.quiet, "questions");
  const Evaluation evaluation =
      evaluate(*model, *engine, task, questions, remote.get(), options, std::ref(progress));
  progress.finish();
  if (!args.details.empty()) write_atomically(args.details, evaluation_details(evaluation));
  if (!args.curve.empty()) {
    write_atomically(args.curve, curve_writer(args.curve)(task.name, evaluation));
  }
  if (!args.out.empty()) write_atomically(args.out, evaluation_json(evaluation) + "\n");
  out << (args.common.json ? evaluation_json(evaluation) + "\n" : evaluation_text(evaluation));
}

}  // namespace

void add_eval_command(CLI::App& app) {
  auto args = std::make_shared<EvalArgs>();  // shared with the callback, which outlives us
  CLI::App* cmd = app.add_subcommand("eval", "Accuracy of base, blend, server and mix on a file");
  cmd->add_option("--task", args->task, "Name of a task, any LoRA GGUF, or base")->required();
  cmd->add_option("--data", args->data, "Labelled JSONL file, or - for standard input")->required();
  cmd->add_option("--limit", args->limit, "Read at most so many questions");
  cmd->add_option("--details", args->details, "File for a JSON line a question");
  cmd->add_option("-o,--out", args->out, "File for the JSON object too; replaced in one step");
  cmd->add_option("--curve", args->curve,
                  "File for accuracy against server share: .svg, .html or .json");
  cmd->add_option("--server-limit", args->server_limit,
                  "Put at most so many questions to the server, drawn by --seed; 0: all");
  cmd->add_option("--seed", args->seed, "Seed of that sample");
  add_server_options(*cmd, args->server);
  add_route_options(*cmd, args->route);
  add_policy_options(*cmd, args->guards);
  add_budget_options(*cmd, args->guards);
  add_model_options(*cmd, args->model);
  add_common_options(*cmd, args->common);
  add_json_option(*cmd, args->common);
  cmd->callback([args] { run_eval(*args, std::cout, std::cerr); });
}

}  // namespace crayon
