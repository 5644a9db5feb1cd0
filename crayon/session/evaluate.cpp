#include "crayon/session/evaluate.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <numeric>

#include "crayon/base/error.h"
#include "crayon/base/interrupt.h"
#include "crayon/base/random.h"
#include "crayon/prompt/answer.h"
#include "crayon/session/device.h"
#include "crayon/session/server_side.h"

namespace crayon {
namespace {

/// The labelled answer in free words.
std::string reference(const Example& question) {
  if (question.kind == ExampleKind::Completion) return question.completion.value_or("");
  return question.messages.empty() ? "" : question.messages.back().content;
}

class Evaluator {
 public:
  Evaluator(const Model& model, Engine& engine, std::span<const Example> questions,
            const EvaluateOptions& options, const OnProgress& on_progress)
      : model_(model),
        engine_(engine),
        questions_(questions),
        options_(options),
        on_progress_(on_progress) {}

  Evaluation run(const OpenTask& task, Remote* remote);

 private:
  void check() const;
  void check_server(const OpenTask& task, Remote& remote) const;
  /// One side's answers to all questions; the time it took, in seconds.
  double run_device(const OpenTask& task, const std::string& step,
                    SideDetail QuestionDetail::*side);
  SideDetail device_answer(const TaskOnDevice& task, const Example& question);
  SideDetail server_answer(ServerDoor& door, const Example& question);
  void run_server(Remote& remote);
  void mix(const OpenTask& task);
  [[nodiscard]] std::vector<std::size_t> sample() const;
  /// Of the sample, the questions that may leave.
  [[nodiscard]] std::vector<std::size_t> allowed() const;

  const Model& model_;
  Engine& engine_;
  std::span<const Example> questions_;
  const EvaluateOptions& options_;
  const OnProgress& on_progress_;
  Evaluation result_;
};

void Evaluator::check() const {
  if (questions_.empty()) throw Error(ErrorCode::InvalidArgument, "eval: no question");
  for (const Example& question : questions_) {
    if (has_label(question)) continue;
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("eval: question '{}' has no answer; expected a label for each question",
                            question.id));
  }
}

/// What would end the evaluation after the device's passes, or must not begin at all.
void Evaluator::check_server(const OpenTask& task, Remote& remote) const {
  const Policy policy = task.info ? task.info->policy : Policy{};
  if (policy.local_only || !policy.server_allowed) {
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("eval: task '{}' is local only, so its questions may not be put to a "
                            "server; leave the server's URL out",
                            task.name));
  }
  const auto rows = allowed();
  if (rows.empty()) {
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("eval: the policy keeps all of the {} questions that the server was to "
                            "be asked here; leave the server's URL out, or change the policy",
                            sample().size()));
  }
  for (const std::size_t row : rows) {
    const Example& question = questions_[row];
    try {
      if (question.kind == ExampleKind::Choices) (void)lettered_question(question);
    } catch (const Error& error) {
      throw about_example(question.id, error);
    }
  }
  try {
    (void)ServerDoor(remote, options_.door).models();
  } catch (const Error& error) {
    if (error.code() != ErrorCode::NotFound) throw;  // some servers do not list their models
  }
}

SideDetail Evaluator::device_answer(const TaskOnDevice& task, const Example& question) {
  SideDetail side;
  if (question.kind == ExampleKind::Choices) {
    const DeviceChoice device = task.choose(engine_, question);
    side.choice = device.choice;
    side.scores = device.scores;
    side.confidence = device.signals.confidence;
    side.scope = device.signals.scope;
    side.server_chance = device.signals.server;
    side.right = device.choice == *question.answer;
    if (device.cut_tokens > 0) ++result_.cut_questions;
    return side;
  }
  const RenderedPrompt prompt = task.prompt(question);
  const GenerateOptions options =
      task.telling_scope(free_answer(question), [&](double scope) { side.scope = scope; });
  const Generated text =
      engine_.generate(prompt.text, options, [](const GeneratedToken&) { return !interrupted(); });
  const std::span tokens(text.tokens);
  const ChoiceSignals raw =
      TaskOnDevice::raw_text_signals(tokens.first(std::min(tokens.size(), options_.hold_back)));
  const Signals signals = task.signals(raw, side.scope);
  side.confidence = signals.confidence;
  side.server_chance = signals.server;
  side.right = answers_label(question, text.text);
  return side;
}

double Evaluator::run_device(const OpenTask& open, const std::string& step,
                             SideDetail QuestionDetail::*side) {
  const TaskOnDevice task(model_, open);
  task.set_on(engine_);
  result_.cut_questions = 0;
  const auto start = std::chrono::steady_clock::now();
  for (std::size_t k = 0; k < questions_.size(); ++k) {
    throw_if_interrupted();
    try {
      result_.details[k].*side = device_answer(task, questions_[k]);
    } catch (const Error& error) {
      throw about_example(questions_[k].id, error);
    }
    if (on_progress_) on_progress_({step, k + 1, questions_.size()});
  }
  throw_if_interrupted();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

std::vector<std::size_t> Evaluator::sample() const {
  std::vector<std::size_t> rows(questions_.size());
  std::iota(rows.begin(), rows.end(), std::size_t{0});
  if (options_.server_limit == 0 || options_.server_limit >= rows.size()) return rows;
  Rng(options_.seed, "server sample").shuffle(rows);
  rows.resize(options_.server_limit);
  std::ranges::sort(rows);
  return rows;
}

std::vector<std::size_t> Evaluator::allowed() const {
  std::vector<std::size_t> rows = sample();
  std::erase_if(rows, [&](std::size_t row) {
    const Rule rule = look(options_.door, questions_[row]).rule;
    return rule != Rule::Send && rule != Rule::Redact;
  });
  return rows;
}

SideDetail Evaluator::server_answer(ServerDoor& door, const Example& question) {
  SideDetail side;
  if (question.kind == ExampleKind::Choices) {
    const ServerAnswer answer = ask_choice(door, question);
    side.choice = answer.choice;
    side.scores.assign(answer.letters.begin(), answer.letters.end());
    side.right = side.choice == question.answer;
    if (!side.choice) ++result_.unparsed;
  } else {
    side.right = answers_label(question, ask_text(door, question, free_answer(question)).text);
  }
  return side;
}

void Evaluator::run_server(Remote& remote) {
  ServerDoor door(remote, options_.door);
  const auto rows = allowed();
  result_.kept_questions = sample().size() - rows.size();
  for (std::size_t i = 0; i < rows.size(); ++i) {
    throw_if_interrupted();
    const Example& question = questions_[rows[i]];
    try {
      result_.details[rows[i]].server = server_answer(door, question);
    } catch (const Error& error) {
      throw about_example(question.id, error);
    }
    if (on_progress_) on_progress_({"server", i + 1, rows.size()});
  }
}

void Evaluator::mix(const OpenTask& task) {
  std::vector<QuestionDetail*> asked;
  std::vector<Signals> signals;
  for (QuestionDetail& detail : result_.details) {
    if (!detail.server) continue;
    asked.push_back(&detail);
    signals.push_back({.confidence = detail.blended.confidence,
                       .scope = detail.blended.scope,
                       .server = detail.blended.server_chance});
  }
  const Router router(options_.router, task.info ? task.info->policy : Policy{});
  const auto decisions = router.decide_all(signals);
  std::vector<std::uint8_t> server;
  std::vector<std::uint8_t> blended;
  std::vector<std::uint8_t> mixed;
  for (std::size_t i = 0; i < asked.size(); ++i) {
    const bool unread = asked[i]->answer && !asked[i]->server->choice;
    const bool escalated = decisions[i].side == Side::Server && !unread;
    asked[i]->side = escalated ? Side::Server : Side::Device;
    server.push_back(asked[i]->server->right);
    blended.push_back(asked[i]->blended.right);
    mixed.push_back(escalated ? server.back() : blended.back());
    const double one = 1.0 / static_cast<double>(asked.size());
    result_.server_share += escalated ? one : 0.0;
    result_.risk += !escalated && blended.back() == 0 ? one : 0.0;
  }
  result_.server = accuracy(server);
  result_.blended_on_sample = accuracy(blended);
  result_.mix = accuracy(mixed);
}

Evaluation Evaluator::run(const OpenTask& task, Remote* remote) {
  check();
  if (remote != nullptr) check_server(task, *remote);
  result_.n = questions_.size();
  result_.mode = options_.router.mode;
  for (const Example& question : questions_) {
    result_.details.push_back({.id = question.id,
                               .answer = question.answer,
                               .base = {},
                               .blended = {},
                               .server = {},
                               .side = {}});
  }
  OpenTask base = open_task("base");
  base.prompt = task.prompt;
  double seconds = run_device(base, "base", &QuestionDetail::base);
  if (task.file.empty()) {
    for (QuestionDetail& detail : result_.details) detail.blended = detail.base;
  } else {
    seconds = run_device(task, "blended", &QuestionDetail::blended);
  }
  result_.questions_per_second = static_cast<double>(result_.n) / std::max(seconds, 1e-9);
  std::vector<std::uint8_t> right_base;
  std::vector<std::uint8_t> right_blended;
  for (const QuestionDetail& detail : result_.details) {
    right_base.push_back(detail.base.right);
    right_blended.push_back(detail.blended.right);
  }
  result_.base = accuracy(right_base);
  result_.blended = accuracy(right_blended);
  if (remote != nullptr) {
    run_server(*remote);
    mix(task);
  }
  return std::move(result_);
}

}  // namespace

bool answers_label(const Example& question, const std::string& text) {
  return normalize_answer(text) == normalize_answer(reference(question));
}

Evaluation evaluate(const Model& model, Engine& engine, const OpenTask& task,
                    std::span<const Example> questions, Remote* remote,
                    const EvaluateOptions& options, const OnProgress& on_progress) {
  return Evaluator(model, engine, questions, options, on_progress).run(task, remote);
}

}  // namespace crayon
