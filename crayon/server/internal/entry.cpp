#include "crayon/server/internal/entry.h"

#include <fmt/format.h>

#include <algorithm>

#include "crayon/base/clock.h"
#include "crayon/base/error.h"
#include "crayon/base/log.h"
#include "crayon/base/text.h"
#include "crayon/session/answer.h"

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

/// Why it may not leave; "" where it may.
std::string kept_by(const Switchboard& board, const Verdict& verdict, const ApiRequest& request,
                    const ServerRequest& http) {
  if (marked_local(http)) return "local only";
  if (verdict.rule == Rule::Local) return verdict.reason;
  if (!board.may_leave()) return board.why_none_leaves();
  // They are asked for to look into this model: another one's would be no answer.
  return request.log_probs ? "log-probs asked" : "";
}

}  // namespace

Entry::Entry(Switchboard& board, const ApiRequest& request, const ServerRequest& http)
    : board_(board) {
  const Verdict verdict = verdict_of(board.books(), request);
  if (verdict.rule == Rule::Block) {
    board.metrics().count_refused();
    throw Error(
        ErrorCode::InvalidArgument,
        fmt::format("the policy blocks this request ({}); nobody answers it", verdict.reason));
  }
  record_.id = new_decision_id();
  record_.task = board.books().task.name;
  record_.choices = !request.guided_choice.empty();
  record_.reason = kept_by(board, verdict, request, http);
  may_leave_ = record_.reason.empty();
}

std::map<std::string, std::string> Entry::headers() const {
  std::map<std::string, std::string> out{
      {"x-crayon-id", record_.id},
      {"x-crayon-side", to_string(record_.server ? Side::Server : Side::Device)},
      {"x-crayon-reason", record_.reason}};
  if (signals_known_) out["x-crayon-confidence"] = fmt::format("{:.4f}", record_.confidence);
  if (record_.scope) out["x-crayon-scope"] = fmt::format("{:.4f}", *record_.scope);
  return out;
}

void Entry::take(const GeneratedToken& token) {
  if (signals_known_ || log_probs_.size() >= board_.books().hold_back) return;
  log_probs_.push_back(token.log_prob);
}

void Entry::take_signals(const ChoiceSignals& raw, const Signals& signals) {
  signals_known_ = true;
  record_.top = raw.top;
  record_.margin = raw.margin;
  record_.entropy = raw.entropy;
  record_.confidence = signals.confidence;
  record_.scope = signals.scope;
  record_.score = board_.score(signals);
}

void Entry::decided(const ChoiceSignals& raw, const Signals& signals, const Decision& decision) {
  take_signals(raw, signals);
  record_.score = decision.score;
  record_.threshold = decision.threshold;
  answered_by(decision.side, decision.reason);
}

void Entry::answered_by(Side side, const std::string& why) {
  record_.server = side == Side::Server;
  record_.reason = plain_reason(why);
}

void Entry::finish(const AnswerEnd& end) {
  if (finished_) return;
  finished_ = true;
  if (!signals_known_) {
    const ChoiceSignals none{.top = 0, .margin = 0, .entropy = 1, .free_text = true};
    const ChoiceSignals raw = log_probs_.empty() ? none : text_signals(log_probs_);
    take_signals(raw, board_.task().signals(raw, {}));
  }
  record_.prompt_tokens = static_cast<std::int64_t>(end.usage.prompt_tokens);
  record_.completion_tokens = static_cast<std::int64_t>(end.usage.completion_tokens);
  record_.seconds = seconds_since(start_);
  record_.money += end.money;
  const Bookkeeping& books = board_.books();
  record_.saved = record_.server ? 0
                                 : money_for(books.door.price, record_.prompt_tokens,
                                             std::max<std::int64_t>(record_.completion_tokens, 1));
  board_.metrics().count(record_);
  if (!books.on_decision) return;
  try {
    books.on_decision(record_);
  } catch (const Error& error) {
    log_warning(std::string("the decision log: ") + error.what());
  }
}

}  // namespace crayon::server
