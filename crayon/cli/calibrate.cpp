// crayon calibrate: how sure a task may be, fitted again to labelled questions and marked answers.
#include "crayon/session/calibrate.h"

#include <fmt/format.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <iostream>

#include "crayon/base/error.h"
#include "crayon/base/files.h"
#include "crayon/base/log.h"
#include "crayon/cli/commands.h"
#include "crayon/cli/common.h"
#include "crayon/cli/marks.h"
#include "crayon/cli/outgoing.h"
#include "crayon/cli/report.h"
#include "crayon/cli/routing.h"
#include "crayon/formats/examples.h"
#include "crayon/session/device.h"

namespace crayon {
namespace {

struct CalibrateArgs {
  CommonArgs common;
  ModelArgs model;
  ServerArgs server;
  // Not logged: labelled questions are no use of the task.
  GuardArgs guards{.policy = {}, .budget = {}, .no_log = true};
  std::string task;
  std::filesystem::path data;
  std::filesystem::path html;
  std::filesystem::path out;
  std::size_t limit = 0;
  std::size_t hold_back = kHoldBackTokens;
  bool feedback = true;
  bool dry_run = false;
};

/// The labelled questions' answers on the device, and on the server where one is given.
std::vector<JudgedSignals> judge(const CalibrateArgs& args, const OpenTask& task,
                                 std::ostream& notes) {
  if (args.data.empty()) return {};
  const auto questions = read_examples(args.data, args.limit);
  const auto remote = open_remote(args.server);
  const Policy& policy = task.info->policy;
  if (remote && (policy.local_only || !policy.server_allowed)) {
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("task '{}' is local only, so its questions may not be put to a server; "
                            "leave the server's URL out",
                            task.name));
  }
  const Guards guards(args.guards, server_list(args.server));
  std::optional<ServerDoor> door;
  if (remote) door.emplace(*remote, guards.door());
  const auto model = open_base_model(args.model, &task.info->base, args.common, notes);
  warn_base_fit(TaskOnDevice(*model, task).base_fit(), task.info->base, model->base());
  const auto engine = model->open_engine(engine_options(args.model, args.common));
  StepReporter progress(notes, !args.common.quiet, "questions");
  auto judged = judge_questions(*model, *engine, task, questions, door ? &*door : nullptr,
                                std::ref(progress), args.hold_back);
  progress.finish();
  return judged;
}

/// The marks to learn from.
std::vector<JudgedSignals> wanted_marks(const CalibrateArgs& args, const OpenTask& task) {
  if (!args.feedback) return {};
  try {
    return marks_of(task, Store().judged(task.name));
  } catch (const Error& error) {
    if (args.data.empty()) throw;
    log_warning(fmt::format("{}; no mark is used", error.what()));
    return {};
  }
}

void run_calibrate(const CalibrateArgs& args, std::ostream& out, std::ostream& notes) {
  for (const auto& file : {args.html, args.out}) {
    if (!file.empty()) check_output(file);
  }
  const OpenTask task = open_task(args.task);
  if (!task.info) {
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("'{}' is no task of crayon's, so it has no calibration; make one with "
                            "`crayon customize`",
                            task.name));
  }
  const auto questions = judge(args, task, notes);
  const std::filesystem::path file = args.out.empty() ? task.file : args.out;
  const CalibrateResult result = recalibrate_task(task, questions, wanted_marks(args, task),
                                                  args.dry_run ? std::filesystem::path() : file);
  if (!args.html.empty()) write_atomically(args.html, calibrate_page(result));
  out << (args.common.json ? calibrate_json(result) + "\n" : calibrate_text(result));
}

}  // namespace

void add_calibrate_command(CLI::App& app) {
  auto args = std::make_shared<CalibrateArgs>();  // shared with the callback, which outlives us
  CLI::App* cmd = app.add_subcommand(
      "calibrate", "Fit how sure a task may be to labelled questions and marked answers");
  cmd->add_option("--task", args->task, "Name of a task, or its file")->required();
  cmd->add_option("--data", args->data,
                  "Labelled JSONL file that the task was not made from, or - for standard input; "
                  "without it: marks of `crayon feedback` alone");
  cmd->add_option("--limit", args->limit, "Read at most so many questions");
  add_hold_back_option(*cmd, args->hold_back);
  cmd->add_flag("!--no-feedback", args->feedback, "Leave marked answers out");
  cmd->add_option("--html", args->html, "File for a page with the diagrams");
  cmd->add_option("-o,--out", args->out, "Write the task there; default: in place, in one step");
  cmd->add_flag("--dry-run", args->dry_run, "Only report; write no task");
  add_server_options(*cmd, args->server);
  add_policy_options(*cmd, args->guards);
  add_budget_options(*cmd, args->guards);
  add_model_options(*cmd, args->model);
  add_common_options(*cmd, args->common);
  add_json_option(*cmd, args->common);
  cmd->callback([args] { run_calibrate(*args, std::cout, std::cerr); });
}

}  // namespace crayon
