// crayon feedback: marks an answer right or wrong, and fits its task's calibration to the marks.
#include <fmt/format.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <exception>
#include <iostream>

#include "crayon/cli/commands.h"
#include "crayon/cli/common.h"
#include "crayon/cli/marks.h"
#include "crayon/cli/report.h"
#include "crayon/store/store.h"

namespace crayon {
namespace {

struct FeedbackArgs {
  CommonArgs common;
  std::string id;
  std::string mark;
  bool mark_only = false;
};

/// Why the marks of an answer like this have nothing to fit; "" where they have.
std::string nothing_to_fit(const DecisionRecord& marked) {
  if (marked.server) return "it was the server's answer, which says nothing of the device";
  if (marked.task == "base") return "the base model has no calibration of its own";
  const auto known = list_tasks();
  if (std::ranges::find(known, marked.task) != known.end()) return {};
  return fmt::format(
      "no task '{}' is stored here; fit its file with `crayon calibrate --task FILE`", marked.task);
}

/// Fits the marked answer's task, where it is there. Whatever comes of it, the mark stands.
void fit_task(Store& store, FeedbackResult& result) {
  try {
    result.why_not = nothing_to_fit(store.decision(result.id));
    if (!result.why_not.empty()) return;
    const OpenTask task = open_task(task_path(result.task).string());
    if (!task.info) {
      result.why_not = fmt::format("'{}' is no task of crayon's", result.task);
      return;
    }
    result.fitted = recalibrate_task(task, {}, marks_of(task, store.judged(task.name)), task.file);
  } catch (const std::exception& error) {
    result.why_not = error.what();
  }
}

void run_feedback(const FeedbackArgs& args, std::ostream& out) {
  Store store;
  FeedbackResult result;
  result.mark = args.mark;
  result.id = store.mark(args.id, args.mark == "right");
  result.task = store.decision(result.id).task;
  if (args.mark_only) {
    result.why_not = "--mark-only";
  } else {
    fit_task(store, result);
  }
  out << (args.common.json ? feedback_json(result) + "\n" : feedback_text(result));
}

}  // namespace

void add_feedback_command(CLI::App& app) {
  auto args = std::make_shared<FeedbackArgs>();  // shared with the callback, which outlives us
  CLI::App* cmd = app.add_subcommand(
      "feedback", "Mark an answer right or wrong; its task learns how sure it may be");
  cmd->add_option("id", args->id,
                  "The answer's id, or its first digits: from `ask --json`, ask's note, or the "
                  "header x-crayon-id")
      ->required();
  cmd->add_option("mark", args->mark, "right or wrong")
      ->required()
      ->check(CLI::IsMember({"right", "wrong"}));
  cmd->add_flag("--mark-only", args->mark_only,
                "Leave the task as it is, for `crayon calibrate` to fit later");
  add_json_option(*cmd, args->common);
  cmd->callback([args] { run_feedback(*args, std::cout); });
}

}  // namespace crayon
