// crayon ask: one question, a JSONL file, or a stream of them on standard input.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <iostream>

#include "crayon/base/error.h"
#include "crayon/base/interrupt.h"
#include "crayon/base/log.h"
#include "crayon/cli/commands.h"
#include "crayon/cli/common.h"
#include "crayon/cli/outgoing.h"
#include "crayon/cli/report.h"
#include "crayon/cli/routing.h"
#include "crayon/formats/examples.h"
#include "crayon/session/answer.h"

namespace crayon {
namespace {

struct AskArgs {
  CommonArgs common;
  ModelArgs model;
  ServerArgs server;
  GuardArgs guards;
  RouteArgs route;
  std::string task;
  std::string question;
  std::string context;
  std::vector<std::string> choices;
  std::filesystem::path questions;
  bool local_only = false;
  int max_tokens = kAnswerTokens;
};

Example example_of(const AskArgs& args) {
  if (args.question.empty()) {
    throw Error(
        ErrorCode::InvalidArgument,
        "no question; give one as text, --questions FILE, or - for JSONL on standard input");
  }
  Example example;
  if (args.choices.empty()) {
    example.kind = ExampleKind::Messages;
    const std::string passage = args.context.empty() ? "" : args.context + "\n\n";
    example.messages = {{"user", passage + args.question}};
    return example;
  }
  if (args.choices.size() < 2) {
    throw Error(ErrorCode::InvalidArgument, "one --choice is given; expected none or at least 2");
  }
  example.question = args.question;
  example.context = args.context;
  example.choices = args.choices;
  return example;
}

void ask_one(const AskArgs& args, Answerer& answerer, std::ostream& out, std::ostream& notes) {
  const bool stream = !args.common.json && args.choices.empty() && isatty(STDOUT_FILENO) == 1;
  bool began = false;
  OnText on_text;
  if (stream) {
    on_text = [&](std::string_view piece) {
      began = true;
      out << piece << std::flush;
      return !interrupted();
    };
  }
  const auto ask = [&] {
    try {
      return answerer.answer(example_of(args), on_text);
    } catch (...) {  // what is said of it gets a line of its own
      if (began) out << '\n' << std::flush;
      throw;
    }
  };
  const Answer answer = ask();
  if (args.common.json) {
    out << answer_json(answer) << '\n';
    return;
  }
  out << (stream ? "" : answer.text) << '\n' << std::flush;
  if (!answer.server_error.empty()) {
    log_warning(answer.reason + "; the device answered");
  } else if (!args.common.quiet) {
    notes << answer_note(answer) << '\n';
  }
}

/// A JSON line for each question, as soon as it is there, so that programs can talk to it.
class AnswerLines {
 public:
  AnswerLines(Answerer& answerer, std::ostream& out) : answerer_(answerer), out_(out) {}

  /// A question that cannot be asked (too long, say) costs its own answer and no other.
  void answer(const Example& question) {
    throw_if_interrupted();
    ++asked_;
    std::string line;
    try {
      line = answer_json(answerer_.answer(question), question.id);
    } catch (const Error& error) {
      if (error.code() != ErrorCode::InvalidArgument) throw;
      ++failed_;
      line = unanswered_json(question.id, error.what());
    }
    out_ << line << '\n' << std::flush;
  }
  void finish() const {
    if (failed_ == 0) return;
    log_warning(
        fmt::format("{} of {} questions have an error in place of an answer", failed_, asked_));
  }

 private:
  Answerer& answerer_;
  std::ostream& out_;
  std::size_t asked_ = 0;
  std::size_t failed_ = 0;
};

void ask_lines(std::istream& in, const std::string& name, Answerer& answerer, std::ostream& out) {
  AnswerLines lines(answerer, out);
  std::string line;
  for (std::size_t n = 1; std::getline(in, line); ++n) {
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    lines.answer(parse_example(line, fmt::format("{}:{}", name, n)));
  }
  throw_if_interrupted();  // Ctrl-C while waiting for a line ends the input too
  lines.finish();
}

void ask_file(const AskArgs& args, Answerer& answerer, std::ostream& out, std::ostream& notes) {
  const auto questions = read_examples(args.questions);
  StepReporter progress(notes, !args.common.quiet && isatty(STDOUT_FILENO) == 0, "questions");
  AnswerLines lines(answerer, out);
  for (std::size_t i = 0; i < questions.size(); ++i) {
    lines.answer(questions[i]);
    progress({"ask", i + 1, questions.size()});
  }
  progress.finish();
  lines.finish();
}

/// What a stream of questions cannot use.
void check_stream(const AskArgs& args) {
  if (args.choices.empty() && args.context.empty()) return;
  throw Error(ErrorCode::InvalidArgument,
              fmt::format("{} goes with one question, found - for JSONL on standard input, where "
                          "each line has its own; leave it out",
                          args.choices.empty() ? "--context" : "--choice"));
}

void run_ask(const AskArgs& args, std::ostream& out, std::ostream& notes) {
  const bool stream = args.question == "-";
  if (stream) check_stream(args);
  if (!stream && args.questions.empty()) (void)example_of(args);
  const OpenTask task = open_task(args.task);
  AnswererOptions options{.router = route_options(args.route, args.server, task),
                          .local_only = args.local_only,
                          .max_tokens = args.max_tokens,
                          .hold_back = args.route.hold_back};
  const auto remote = args.local_only ? nullptr : open_remote(args.server);
  const Guards guards(args.guards, remote ? server_list(args.server) : std::vector<RemoteServer>{});
  options.door = guards.door();
  options.on_decision = guards.log();
  options.past = guards.past(task.name, options.router.mode);
  const BaseModel* wanted = task.info ? &task.info->base : nullptr;
  const auto model = open_base_model(args.model, wanted, args.common, notes);
  const auto engine = model->open_engine(engine_options(args.model, args.common));
  Answerer answerer(*model, *engine, task, remote.get(), options);
  if (wanted != nullptr) warn_base_fit(answerer.task().base_fit(), *wanted, model->base());
  if (stream) {
    ask_lines(std::cin, "standard input", answerer, out);
  } else if (!args.questions.empty()) {
    ask_file(args, answerer, out, notes);
  } else {
    ask_one(args, answerer, out, notes);
  }
}

}  // namespace

void add_ask_command(CLI::App& app) {
  auto args = std::make_shared<AskArgs>();  // shared with the callback, which outlives us
  CLI::App* cmd = app.add_subcommand("ask", "Ask a question; hard ones may go to a larger LLM");
  cmd->add_option("--task", args->task, "Name of a task, any LoRA GGUF, or base")->required();
  CLI::Option* questions = cmd->add_option("--questions", args->questions,
                                           "JSONL file of questions; a JSON line for each");
  cmd->add_option("--choice", args->choices, "A possible answer; once for each")
      ->allow_extra_args(false)  // the question may stand behind it
      ->excludes(questions);
  cmd->add_option("--context", args->context, "Passage that the question is about")
      ->excludes(questions);
  cmd->add_option("--max-tokens", args->max_tokens, "Longest free answer")
      ->check(CLI::Range(1, 1 << 20));
  cmd->add_option("question", args->question, "The question, or - for JSONL on standard input")
      ->excludes(questions);
  add_server_options(*cmd, args->server);
  add_policy_options(*cmd, args->guards);
  add_budget_options(*cmd, args->guards);
  add_log_option(*cmd, args->guards);
  add_route_options(*cmd, args->route);
  cmd->add_flag("--local-only", args->local_only,
                "Let nothing leave this machine, whatever other flags and settings say");
  add_model_options(*cmd, args->model);
  add_common_options(*cmd, args->common);
  add_json_option(*cmd, args->common);
  cmd->callback([args] { run_ask(*args, std::cout, std::cerr); });
}

}  // namespace crayon
