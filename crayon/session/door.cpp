#include "crayon/session/door.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <exception>
#include <optional>

#include "crayon/base/log.h"
#include "crayon/router/redact.h"

namespace crayon {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::string_view kFailed = "check failed";

/// Tokens of a text, rather too many: most tokenizers need fewer than one for 3 bytes.
std::int64_t estimated_tokens(const std::vector<ChatMessage>& messages) {
  std::int64_t tokens = 0;
  for (const ChatMessage& message : messages) {
    tokens += static_cast<std::int64_t>(message.content.size()) / 3 + 8;
  }
  return tokens;
}

/// Is it a verdict that a check can mean?
bool makes_sense(const Verdict& verdict) {
  switch (verdict.rule) {
    case Rule::Send:
      return verdict.hidden.empty();
    case Rule::Redact:
      return !verdict.hidden.empty();
    case Rule::Local:
    case Rule::Block:
      return true;
  }
  return false;
}

std::vector<std::string_view> contents(const std::vector<ChatMessage>& messages) {
  std::vector<std::string_view> texts;
  for (const ChatMessage& message : messages) texts.push_back(message.content);
  return texts;
}

/// A reservation that is settled whatever happens; what is not known to be less is spent in full.
class Payment {
 public:
  Payment(const DoorOptions& options, const Amount& amount)
      : budget_(options.budget), spent_(amount) {
    if (budget_ == nullptr) return;
    const auto start = Clock::now();
    try {
      reservation_ = budget_->reserve(amount);
    } catch (const std::exception& error) {
      log_debug(fmt::format("budget: {}", error.what()));
      throw Kept("budget check failed");
    } catch (...) {
      throw Kept("budget check failed");
    }
    if (!reservation_.granted) throw Kept("budget spent: " + reservation_.why);
    if (reservation_.id <= 0 || Clock::now() - start > options.patience) {
      settle({});
      throw Kept("budget check failed");
    }
  }
  Payment(const Payment&) = delete;
  Payment& operator=(const Payment&) = delete;
  ~Payment() { settle(spent_); }

  void spent(const Amount& amount) { spent_ = amount; }

 private:
  void settle(const Amount& amount) {
    if (budget_ == nullptr) return;
    try {
      budget_->settle(reservation_, amount);
    } catch (const std::exception& error) {  // it stays spent in full
      log_warning(fmt::format("budget: a call could not be settled: {}", error.what()));
    }
    budget_ = nullptr;
  }

  Budget* budget_;
  Reservation reservation_;
  Amount spent_;
};

Amount spent_by(const RemoteAnswer& answer, const Amount& aside, const TokenPrice& price,
                std::int64_t prompt_estimate) {
  if (answer.prompt_tokens < 0 || answer.completion_tokens < 0) return aside;
  const bool told = answer.prompt_tokens > 0;
  const std::int64_t prompt = told ? answer.prompt_tokens : prompt_estimate;
  const std::int64_t completion =
      told ? answer.completion_tokens : static_cast<std::int64_t>(answer.text.size()) / 3 + 1;
  return {1, prompt + completion, money_for(price, prompt, completion)};
}

}  // namespace

std::int64_t money_for(const TokenPrice& price, std::int64_t prompt_tokens,
                       std::int64_t completion_tokens) {
  const double money = (price.prompt * static_cast<double>(prompt_tokens) +
                        price.completion * static_cast<double>(completion_tokens)) /
                       1e6 * static_cast<double>(kMoneyUnit);
  return static_cast<std::int64_t>(std::ceil(std::clamp(money, 0.0, 1e15)));
}

Verdict look(const DoorOptions& options, std::span<const std::string_view> texts) {
  if (options.check == nullptr) return {.rule = Rule::Send, .reason = {}};
  const auto start = Clock::now();
  try {
    Verdict verdict = options.check->check(texts);
    if (Clock::now() - start <= options.patience && makes_sense(verdict)) return verdict;
  } catch (const std::exception& error) {
    log_debug(fmt::format("policy: {}", error.what()));
  } catch (...) {
    log_debug("policy: a check threw what is no exception");
  }
  return {.rule = Rule::Local, .reason = std::string(kFailed)};
}

Verdict look(const DoorOptions& options, const Example& question) {
  std::vector<std::string_view> texts;
  if (question.kind == ExampleKind::Messages) {
    texts = contents(question.messages);
  } else if (question.kind == ExampleKind::Completion) {
    texts = {question.prompt};
  } else {
    texts = {question.context, question.question};
    texts.insert(texts.end(), question.choices.begin(), question.choices.end());
  }
  return look(options, texts);
}

ServerDoor::ServerDoor(Remote& remote, DoorOptions options)
    : remote_(remote), options_(std::move(options)) {}

ServerDoor::Reply ServerDoor::chat(const std::vector<ChatMessage>& messages, const ChatOptions& how,
                                   const RequestMarks& marks, const OnText& on_text) {
  if (marks.local_only) throw Kept("local only");
  const auto texts = contents(messages);
  const Verdict verdict = look(options_, texts);
  if (verdict.rule == Rule::Send) return paid(messages, how, on_text);
  if (verdict.rule != Rule::Redact) throw Kept(verdict.reason);
  std::optional<Redaction> redaction;
  try {
    redaction.emplace(texts, verdict.hidden);
  } catch (const std::exception& error) {  // parts outside their text: a check that erred
    log_debug(fmt::format("policy: {}", error.what()));
    throw Kept(std::string(kFailed));
  }
  std::vector<ChatMessage> hidden = messages;
  for (std::size_t i = 0; i < hidden.size(); ++i) hidden[i].content = redaction->texts()[i];
  const Verdict again = look(options_, contents(hidden));
  if (again.rule != Rule::Send) throw Kept(again.reason);
  OnText restored;
  if (on_text) {
    restored = [&](std::string_view piece) {
      const std::string text = redaction->restore_piece(piece, false);
      return text.empty() || on_text(text);
    };
  }
  Reply reply = paid(hidden, how, restored);
  if (on_text) {
    const std::string rest = redaction->restore_piece({}, true);
    if (!rest.empty()) (void)on_text(rest);
  }
  reply.answer.text = redaction->restore(reply.answer.text);
  return reply;
}

ServerDoor::Reply ServerDoor::paid(const std::vector<ChatMessage>& messages, const ChatOptions& how,
                                   const OnText& on_text) {
  const bool allowed = options_.models.empty() ||
                       std::ranges::find(options_.models, options_.model) != options_.models.end();
  if (!allowed) throw Kept("model not allowed");
  const std::int64_t prompt = estimated_tokens(messages);
  const Amount aside{1, prompt + how.max_tokens, money_for(options_.price, prompt, how.max_tokens)};
  Payment payment(options_, aside);
  Reply reply{remote_.chat(messages, how, on_text), 0};
  const Amount spent = spent_by(reply.answer, aside, options_.price, prompt);
  payment.spent(spent);
  reply.money = spent.money;
  return reply;
}

}  // namespace crayon
