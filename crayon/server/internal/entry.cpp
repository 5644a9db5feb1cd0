#include "crayon/server/internal/entry.h"

#include <fmt/format.h>

#include <algorithm>

#include "crayon/base/clock.h"
#include "crayon/base/error.h"
#include "crayon/base/log.h"
#include "crayon/base/text.h"
#include "crayon/session/device.h"

namespace crayon::server {
namespace {

constexpr const char* kLocalHeader = "x-crayon-local";

/// Any value but a plain no: who sends the header wants it.
bool marked_local(const ServerRequest& http) {
  const auto found = http.headers.find(kLocalHeader);
  if (found == http.headers.end()) return false;
  const std::string value = lowered(trimmed(found->second));
  return value != "0" && value != "false" && value != "no";
}

Verdict verdict_of(const Bookkeeping& books, const ApiRequest& request) {
  std::vector<std::string_view> texts;
  for (const ChatMessage& message : request.messages) texts.push_back(message.content);
  if (!request.chat) texts.push_back(request.prompt);
  texts.insert(texts.end(), request.guided_choice.begin(), request.guided_choice.end());
  return look(books.door, texts);
}

void take_signals(DecisionRecord& record, const ChoiceSignals& signals,
                  const Calibration& calibration) {
  record.top = signals.top;
  record.margin = signals.margin;
  record.entropy = signals.entropy;
  record.confidence = confidence(calibration, signals);
  record.score = record.confidence;
}

}  // namespace

Entry::Entry(const Bookkeeping& books, const ApiRequest& request, const ServerRequest& http)
    : books_(books) {
  const Verdict verdict = verdict_of(books, request);
  if (verdict.rule == Rule::Block) {
    throw Error(
        ErrorCode::InvalidArgument,
        fmt::format("the policy blocks this request ({}); nobody answers it", verdict.reason));
  }
  record_.id = new_decision_id();
  record_.task = books.task;
  record_.choices = !request.guided_choice.empty();
  record_.reason = "no server";
  if (verdict.rule == Rule::Local) record_.reason = verdict.reason;
  if (marked_local(http)) record_.reason = "local only";
}

std::map<std::string, std::string> Entry::headers() const {
  return {{"x-crayon-id", record_.id},
          {"x-crayon-side", to_string(Side::Device)},
          {"x-crayon-reason", record_.reason}};
}

void Entry::take(const GeneratedToken& token) {
  if (log_probs_.size() < kHoldBackTokens) log_probs_.push_back(token.log_prob);
}

void Entry::take_scores(const std::vector<float>& scores) {
  take_signals(record_, choice_signals(scores), books_.calibration);
}

void Entry::finish(const Usage& usage) {
  if (!books_.on_decision) return;
  try {
    if (!record_.choices) {
      const ChoiceSignals none{.top = 0, .margin = 0, .entropy = 1};
      take_signals(record_, log_probs_.empty() ? none : text_signals(log_probs_),
                   books_.calibration);
    }
    record_.prompt_tokens = static_cast<std::int64_t>(usage.prompt_tokens);
    record_.completion_tokens = static_cast<std::int64_t>(usage.completion_tokens);
    record_.seconds = seconds_since(start_);
    record_.saved = money_for(books_.door.price, record_.prompt_tokens,
                              std::max<std::int64_t>(record_.completion_tokens, 1));
    books_.on_decision(record_);
  } catch (const Error& error) {
    log_warning(std::string("the decision log: ") + error.what());
  }
}

}  // namespace crayon::server
