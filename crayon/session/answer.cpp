#include "crayon/session/answer.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "crayon/base/error.h"
#include "crayon/base/interrupt.h"
#include "crayon/session/server_side.h"

namespace crayon {
namespace {

/// The task's own policy, narrowed by what this call allows.
Policy narrowed(Policy policy, const Remote* remote, const AnswererOptions& options) {
  policy.local_only = policy.local_only || options.local_only;
  policy.server_allowed = policy.server_allowed && remote != nullptr;
  return policy;
}

bool may_escalate(const Policy& policy, const AnswererOptions& options) {
  return !policy.local_only && policy.server_allowed && options.router.mode != RouteMode::Never;
}

/// Free text on the device, held back until enough of it is there to decide who speaks.
class HeldText {
 public:
  /// true: the device speaks.
  using Decide = std::function<bool(std::span<const GeneratedToken>)>;

  /// @param open  the device speaks whatever is decided: nothing is held back
  HeldText(std::size_t hold_back, bool open, Decide decide, const OnText& on_text)
      : hold_back_(std::max<std::size_t>(hold_back, 1)),
        open_(open),
        decide_(std::move(decide)),
        on_text_(on_text) {}

  /// Takes a token; false ends the generating.
  bool take(const GeneratedToken& token) {
    if (interrupted()) return false;
    if (decided_) return say(token.text);
    tokens_.push_back(token);
    if (!open_) held_ += token.text;
    if (open_ && !say(token.text)) return false;
    return tokens_.size() < hold_back_ || settle();
  }

  /// The decision, made at the latest when the text ends; says what was held.
  bool settle() {
    if (decided_) return device_;
    decided_ = true;
    device_ = decide_(tokens_);
    return device_ && (open_ || say(held_));
  }

  [[nodiscard]] bool device() const { return device_; }

 private:
  bool say(std::string_view piece) { return !on_text_ || on_text_(piece); }

  std::size_t hold_back_;
  bool open_;
  Decide decide_;
  const OnText& on_text_;
  std::vector<GeneratedToken> tokens_;
  std::string held_;
  bool decided_ = false;
  bool device_ = true;
};

}  // namespace

Answerer::Answerer(const Model& model, Engine& engine, const OpenTask& task, Remote* remote,
                   AnswererOptions options)
    : engine_(engine),
      task_(model, task),
      options_(std::move(options)),
      name_(task.name),
      router_(options_.router, narrowed(task_.policy(), remote, options_)) {
  if (may_escalate(narrowed(task_.policy(), remote, options_), options_)) {
    door_.emplace(*remote, options_.door);
  }
  task_.set_on(engine_);
  router_.warm_up(task_.recent_scores());
  router_.resume(past_decisions(options_.past, task_, router_));
}

Answer Answerer::answer(const Example& question, const OnText& on_text, const RequestMarks& marks) {
  const Turn turn{question, on_text, marks, std::chrono::steady_clock::now(),
                  kept_by(question, marks)};
  Answer out;
  out.id = new_decision_id();
  if (question.kind == ExampleKind::Choices) {
    answer_choice(turn, out);
    if (on_text) (void)on_text(out.text);
  } else {
    answer_text(turn, out);
  }
  finish(turn, out);
  return out;
}

void Answerer::finish(const Turn& turn, Answer& out) const {
  out.scope_examples_needed = task_.scope_examples_needed(options_.router.least_scope);
  out.seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - turn.start).count();
  log(out);
}

std::string Answerer::kept_by(const Example& question, const RequestMarks& marks) const {
  const Verdict verdict = look(options_.door, question);
  if (verdict.rule == Rule::Block) {
    throw Error(
        ErrorCode::InvalidArgument,
        fmt::format("the policy blocks this request ({}); nobody answers it", verdict.reason));
  }
  if (marks.local_only) return "local only";
  return verdict.rule == Rule::Local ? verdict.reason : "";
}

bool Answerer::decide(const Turn& turn, const Signals& signals, Answer& out) {
  out.confidence = signals.confidence;
  out.scope = signals.scope;
  if (door_ && !turn.kept.empty()) {
    // The router hears nothing of it: its share is of the requests that may leave.
    out.score = router_.score(signals);
    out.reason = turn.kept;
    return false;
  }
  const Decision decision = router_.decide(signals);
  out.reason = decision.reason;
  out.score = decision.score;
  out.threshold = decision.threshold;
  return door_ && decision.side == Side::Server;
}

bool Answerer::try_server(const std::function<void(ServerDoor&)>& ask, Answer& out) {
  try {
    ask(*door_);
    return true;
  } catch (const Kept& kept) {
    out.money = kept.money();
    out.reason = kept.what();
    return false;
  } catch (const Error& error) {
    out.money = money_of(error);
    out.server_error = error.what();
    out.reason = fmt::format("server {}: {}",
                             error.code() == ErrorCode::Unavailable ? "unavailable" : "failed",
                             error.what());
    return false;
  }
}

void Answerer::answer_choice(const Turn& turn, Answer& out) {
  const Example& question = turn.question;
  const DeviceChoice device = task_.choose(engine_, question);
  const bool escalate = decide(turn, device.signals, out);
  out.choice = device.choice;
  out.scores = device.scores;
  out.raw = device.raw;
  out.prompt_tokens = device.prompt_tokens;
  out.cut_tokens = device.cut_tokens;
  out.text = question.choices[static_cast<std::size_t>(device.choice)];
  if (!escalate) return;
  ServerAnswer server;
  const auto ask = [&](ServerDoor& door) { server = ask_choice(door, question, turn.marks); };
  if (!try_server(ask, out)) return;
  out.money = server.money;
  if (!server.choice) {
    out.unparsed = true;
    out.reason = kNoChoiceNamed;
    return;
  }
  out.side = Side::Server;
  out.choice = server.choice;
  out.text = server.text;
  out.prompt_tokens = static_cast<std::size_t>(server.prompt_tokens);
  out.completion_tokens = static_cast<std::size_t>(server.completion_tokens);
}

bool Answerer::server_text(const Turn& turn, Answer& out) {
  ServerAnswer server;
  bool began = false;
  OnText relay;
  if (turn.on_text) {
    relay = [&](std::string_view piece) {
      began = true;
      return turn.on_text(piece);
    };
  }
  const auto ask = [&](ServerDoor& door) {
    server = ask_text(door, turn.question, free_answer(turn.question, options_.max_tokens),
                      turn.marks, relay);
  };
  if (!try_server(ask, out)) {
    if (began) broke_off(turn, out);
    return false;
  }
  throw_if_interrupted();  // a stream that Ctrl-C cancelled is no answer
  out.side = Side::Server;
  out.text = server.text;
  out.money = server.money;
  out.prompt_tokens = static_cast<std::size_t>(server.prompt_tokens);
  out.completion_tokens = static_cast<std::size_t>(server.completion_tokens);
  return true;
}

void Answerer::broke_off(const Turn& turn, Answer& out) const {
  const std::string why = out.server_error.empty() ? out.reason : out.server_error;
  out.side = Side::Server;
  out.reason = "server broke off: " + why;
  finish(turn, out);
  throw Error(
      ErrorCode::Unavailable,
      fmt::format("{}; the text so far is not the whole answer, and nobody goes on with it: "
                  "ask again, or let the device answer (--side device)",
                  why));
}

void Answerer::answer_text(const Turn& turn, Answer& out) {
  const RenderedPrompt prompt = task_.prompt(turn.question);
  const bool open = !door_ || !turn.kept.empty();
  std::optional<double> scope;  // there before the first token
  const auto device_speaks = [&](std::span<const GeneratedToken> tokens) {
    out.raw = TaskOnDevice::raw_text_signals(tokens);
    return !decide(turn, task_.signals(out.raw, scope), out);
  };
  // When the server is to answer anyway, one token is enough to have a confidence to report.
  const bool always = !open && options_.router.mode == RouteMode::Always;
  HeldText held(always ? 1 : options_.hold_back, open, device_speaks, turn.on_text);
  const GenerateOptions options = free_answer(turn.question, options_.max_tokens);
  const auto take_scope = [&](double p) { scope = p; };
  Generated text = engine_.generate(prompt.text, task_.telling_scope(options, take_scope),
                                    [&](const GeneratedToken& token) { return held.take(token); });
  throw_if_interrupted();
  (void)held.settle();
  if (!held.device()) {
    if (server_text(turn, out)) return;
    text = engine_.generate(prompt.text, options, [&](const GeneratedToken& token) {
      return !interrupted() && (!turn.on_text || turn.on_text(token.text));
    });
    throw_if_interrupted();
  }
  out.text = text.text;
  out.prompt_tokens = text.prompt_tokens;
  out.completion_tokens = text.tokens.size();
}

}  // namespace crayon
