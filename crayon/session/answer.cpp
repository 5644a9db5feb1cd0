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
      remote_(may_escalate(narrowed(task_.policy(), remote, options), options) ? remote : nullptr),
      options_(options),
      router_(options_.router, narrowed(task_.policy(), remote, options_)) {
  task_.set_on(engine_);
  router_.warm_up(task_.recent_scores());
}

Answer Answerer::answer(const Example& question, const OnText& on_text) {
  const auto start = std::chrono::steady_clock::now();
  Answer out;
  if (question.kind == ExampleKind::Choices) {
    answer_choice(question, out);
    if (on_text) (void)on_text(out.text);
  } else {
    answer_text(question, on_text, out);
  }
  out.scope_examples_needed = task_.scope_examples_needed(options_.router.least_scope);
  out.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return out;
}

bool Answerer::decide(const Signals& signals, Answer& out) {
  const Decision decision = router_.decide(signals);
  out.confidence = signals.confidence;
  out.scope = signals.scope;
  out.reason = decision.reason;
  return decision.side == Side::Server;
}

bool Answerer::try_server(const std::function<void(Remote&)>& ask, Answer& out) {
  try {
    ask(*remote_);
    return true;
  } catch (const Error& error) {
    out.server_error = error.what();
    out.reason = fmt::format("server {}: {}",
                             error.code() == ErrorCode::Unavailable ? "unavailable" : "failed",
                             error.what());
    return false;
  }
}

void Answerer::answer_choice(const Example& question, Answer& out) {
  const DeviceChoice device = task_.choose(engine_, question);
  const bool escalate = decide(device.signals, out);
  out.choice = device.choice;
  out.scores = device.scores;
  out.prompt_tokens = device.prompt_tokens;
  out.cut_tokens = device.cut_tokens;
  out.text = question.choices[static_cast<std::size_t>(device.choice)];
  if (!escalate) return;
  ServerAnswer server;
  if (!try_server([&](Remote& remote) { server = ask_choice(remote, question); }, out)) return;
  if (!server.choice) {
    out.unparsed = true;
    out.reason = "the server's reply named no choice";
    return;
  }
  out.side = Side::Server;
  out.choice = server.choice;
  out.text = server.text;
  out.prompt_tokens = static_cast<std::size_t>(server.prompt_tokens);
  out.completion_tokens = static_cast<std::size_t>(server.completion_tokens);
}

bool Answerer::server_text(const Example& question, const OnText& on_text, Answer& out) {
  ServerAnswer server;
  bool began = false;
  OnText relay;
  if (on_text) {
    relay = [&](std::string_view piece) {
      began = true;
      return on_text(piece);
    };
  }
  const auto ask = [&](Remote& remote) {
    server = ask_text(remote, question, free_answer(question, options_.max_tokens),
                      {.on_text = relay, .may_send = {}, .on_attempt = {}, .cancelled = {}});
  };
  if (!try_server(ask, out)) {
    if (began) (void)on_text("\n[the server broke off; the device answers]\n");
    return false;
  }
  throw_if_interrupted();  // a stream that Ctrl-C cancelled is no answer
  out.side = Side::Server;
  out.text = server.text;
  out.prompt_tokens = static_cast<std::size_t>(server.prompt_tokens);
  out.completion_tokens = static_cast<std::size_t>(server.completion_tokens);
  return true;
}

void Answerer::answer_text(const Example& question, const OnText& on_text, Answer& out) {
  const RenderedPrompt prompt = task_.prompt(question);
  const bool open = remote_ == nullptr;
  std::optional<double> scope;
  if (!open) scope = task_.scope(engine_, prompt);
  const auto device_speaks = [&](std::span<const GeneratedToken> tokens) {
    return !decide({.confidence = task_.text_confidence(tokens), .scope = scope}, out);
  };
  // When the server is to answer anyway, one token is enough to have a confidence to report.
  const bool always = !open && options_.router.mode == RouteMode::Always;
  HeldText held(always ? 1 : options_.hold_back, open, device_speaks, on_text);
  const GenerateOptions options = free_answer(question, options_.max_tokens);
  Generated text = engine_.generate(prompt.text, options,
                                    [&](const GeneratedToken& token) { return held.take(token); });
  throw_if_interrupted();
  (void)held.settle();
  // A report only here, so its pass stands behind the answer and delays no word.
  if (open) out.scope = task_.scope(engine_, prompt);
  if (!held.device()) {
    if (server_text(question, on_text, out)) return;
    text = engine_.generate(prompt.text, options, [&](const GeneratedToken& token) {
      return !interrupted() && (!on_text || on_text(token.text));
    });
    throw_if_interrupted();
  }
  out.text = text.text;
  out.prompt_tokens = text.prompt_tokens;
  out.completion_tokens = text.tokens.size();
}

}  // namespace crayon
