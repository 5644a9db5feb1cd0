// What of an answer goes into the decision log: numbers and phrases of ours, no text.
#include <algorithm>
#include <array>

#include "crayon/base/log.h"
#include "crayon/session/answer.h"
#include "crayon/session/internal/own_signals.h"

namespace crayon {
namespace {

/// Reasons begin so. Behind a colon may stand what a server said, which may quote the question: it
/// is left out, and a reason that is not known here is "other".
constexpr std::array<std::string_view, 22> kReasons = {"confident",
                                                       "unsure",
                                                       "out of scope",
                                                       "local only",
                                                       "no server",
                                                       "never",
                                                       "always",
                                                       "no usable signals",
                                                       "worth its price",
                                                       "not worth its price",
                                                       "log-probs asked",
                                                       "server broke off",
                                                       "server failed",
                                                       "server unavailable",
                                                       "private",
                                                       "background prompt",
                                                       "check failed",
                                                       "budget check failed",
                                                       "budget spent",
                                                       "model not allowed",
                                                       "too long to check",
                                                       "text is not UTF-8"};

/// Reasons of answers that the router gave to the server, or would have.
constexpr std::array<std::string_view, 9> kServersTurn = {
    "unsure",           "out of scope",    "server failed", "server unavailable",
    "server broke off", "no choice named", "budget spent",  "budget check failed",
    "model not allowed"};

}  // namespace

std::vector<PastDecision> past_decisions(std::span<const DecisionRecord> log,
                                         const TaskOnDevice& task, const Router& router) {
  std::vector<PastDecision> out;
  for (const DecisionRecord& record : log) {
    const bool server = std::ranges::find(kServersTurn, record.reason) != kServersTurn.end();
    if (!server && record.reason != "confident") continue;
    const ChoiceSignals raw = internal::raw_signals(record);
    out.push_back({router.score(task.signals(raw, record.scope)), server});
  }
  return out;
}

std::string plain_reason(const std::string& whole) {
  const std::string_view reason = whole;
  if (reason == kNoChoiceNamed) return "no choice named";
  const std::string_view start = reason.substr(0, reason.find(':'));
  if (std::ranges::find(kReasons, start) == kReasons.end()) return "other";
  return std::string(start == "private" ? reason : start);  // "private: e-mail": ours to the end
}

DecisionRecord decision_record(const Answer& answer, const std::string& name, const Price& price) {
  const auto prompt = static_cast<std::int64_t>(answer.prompt_tokens);
  const auto completion = static_cast<std::int64_t>(answer.completion_tokens);
  const bool server = answer.side == Side::Server;
  return {.id = answer.id,
          .task = name,
          .server = server,
          .reason = plain_reason(answer.reason),
          .choices = !answer.scores.empty(),
          .top = answer.raw.top,
          .margin = answer.raw.margin,
          .entropy = answer.raw.entropy,
          .confidence = answer.confidence,
          .scope = answer.scope,
          .score = answer.score,
          .threshold = answer.threshold,
          .prompt_tokens = prompt,
          .completion_tokens = completion,
          .seconds = answer.seconds,
          .money = answer.money,
          // A choice costs the server's letter, which the device never writes.
          .saved = server ? 0 : money_for(price, prompt, std::max<std::int64_t>(completion, 1))};
}

void Answerer::log(const Answer& answer) const {
  if (!options_.on_decision) return;
  try {
    options_.on_decision(decision_record(answer, name_, options_.door.price));
  } catch (const Error& error) {
    log_warning(std::string("the decision log: ") + error.what());
  } catch (...) {
    log_warning("the decision log: a decision could not be written");
  }
}

}  // namespace crayon
