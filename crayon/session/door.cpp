#include "crayon/session/door.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <exception>
#include <optional>

#include "crayon/base/interrupt.h"
#include "crayon/base/log.h"
#include "crayon/router/redact.h"

namespace crayon {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::string_view kFailed = "check failed";
constexpr std::string_view kBudgetFailed = "budget check failed";

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

/// What is set aside for one request, and settled whatever happens.
class Payment {
 public:
  /// @throws Kept
  Payment(const DoorOptions& options, const Amount& amount)
      : budget_(*options.budget), spent_(amount) {
    const auto start = Clock::now();
    try {
      reservation_ = budget_.reserve(amount);
    } catch (const std::exception& error) {
      log_debug(fmt::format("budget: {}", error.what()));
      throw Kept(std::string(kBudgetFailed));
    } catch (...) {
      throw Kept(std::string(kBudgetFailed));
    }
    if (!reservation_.granted) throw Kept("budget spent: " + reservation_.why);
    if (reservation_.id <= 0 || Clock::now() - start > options.patience) {
      settle({});
      throw Kept(std::string(kBudgetFailed));
    }
  }
  Payment(const Payment&) = delete;
  Payment& operator=(const Payment&) = delete;
  /// What is not known to be less is spent in full.
  ~Payment() { settle(spent_); }

  void spent(const Amount& amount) { spent_ = amount; }

 private:
  void settle(const Amount& amount) {
    try {
      budget_.settle(reservation_, amount);
    } catch (const std::exception& error) {  // it stays spent in full
      log_warning(fmt::format("budget: a call could not be settled: {}", error.what()));
    }
  }

  Budget& budget_;
  Reservation reservation_;
  Amount spent_;
};

/// A refusal, or a gateway that reached nobody: a call, and nothing else. Wider than what Remote
/// asks again: a refusal costs nothing, but would be repeated.
bool is_refusal(int status) {
  return (status >= 400 && status < 500) || status == 502 || status == 503;
}

/// The last checks of one request of a user, before each socket and behind each that was opened: a
/// request over HTTP that carries the question is a call, whatever made it necessary.
class Turnstile {
 public:
  Turnstile(const DoorOptions& options, const std::vector<ChatMessage>& messages,
            const ChatOptions& how)
      : options_(options),
        messages_(messages),
        prompt_(estimated_tokens(messages)),
        completion_(how.max_tokens) {}

  SendVerdict may_send(const SendIntent& intent) {
    try {
      check(intent);
      return {.may = true, .reason = {}};
    } catch (const Kept& kept) {
      return {.may = false, .reason = kept.what()};
    }
  }

  void settle(const RemoteAttempt& attempt) { close(spent_by(attempt)); }

  [[nodiscard]] std::int64_t money() const { return money_; }

 private:
  void check(const SendIntent& intent) {
    // The question went out and was sent on (a redirect): a call that did no work.
    if (asked_) close({1, 0, 0});
    const Verdict verdict = look(options_, contents(messages_));
    if (verdict.rule != Rule::Send) throw Kept(verdict.reason);
    // Without a model's name it is only asked which models there are: the call that this is for is
    // paid before, so that a budget without room for it lets nothing out at all.
    const bool allowed = intent.model.empty() || options_.models.empty() ||
                         std::ranges::find(options_.models, intent.model) != options_.models.end();
    if (!allowed) throw Kept("model not allowed");
    price_ = intent.price;
    if (options_.budget != nullptr && !payment_) {
      payment_.emplace(options_, Amount{1, prompt_ + completion_,
                                        money_for(intent.price, prompt_, completion_)});
    }
    asked_ = !intent.model.empty();
  }

  void close(const Amount& spent) {
    money_ += spent.money;
    if (payment_) payment_->spent(spent);
    payment_.reset();
    asked_ = false;
  }

  /// A server that says nothing of its usage, or broke off, may have done all the work.
  [[nodiscard]] Amount spent_by(const RemoteAttempt& attempt) const {
    if (!attempt.sent || !asked_) return {};
    if (is_refusal(attempt.status)) return {1, 0, 0};
    const bool whole = attempt.error.empty();
    const bool told = whole && attempt.usage_reported;
    const std::int64_t prompt = told ? attempt.prompt_tokens : prompt_;
    const std::int64_t completion =
        whole && attempt.completion_tokens > 0 ? attempt.completion_tokens : completion_;
    return {1, prompt + completion, money_for(price_, prompt, completion)};
  }

  const DoorOptions& options_;
  const std::vector<ChatMessage>& messages_;
  std::int64_t prompt_;
  std::int64_t completion_;
  Price price_;  ///< Of the server whose turn it is.
  std::optional<Payment> payment_;
  bool asked_ = false;  ///< The socket that was let through last is for the question itself.
  std::int64_t money_ = 0;
};

}  // namespace

std::int64_t money_for(const Price& price, std::int64_t prompt_tokens,
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
  } catch (...) {  // its words may hold the user's text
    log_debug("policy: a check threw, so the request stays");
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

bool kept_for_its_text(const Kept& kept) {
  const std::string_view reason = kept.what();
  return reason.starts_with("private: ") || reason == "background prompt" ||
         reason == "too long to check" || reason == "text is not UTF-8";
}

std::int64_t money_of(const Error& error) noexcept {
  const auto* failed = dynamic_cast<const NoReply*>(&error);
  return failed == nullptr ? 0 : failed->money();
}

ServerDoor::ServerDoor(Remote& remote, DoorOptions options)
    : remote_(remote), options_(std::move(options)) {}

ServerDoor::Reply ServerDoor::chat(const std::vector<ChatMessage>& messages, const ChatOptions& how,
                                   const RequestMarks& marks, const OnText& on_text) {
  if (marks.local_only) throw Kept("local only");
  const auto texts = contents(messages);
  const Verdict verdict = look(options_, texts);
  if (verdict.rule == Rule::Send) return paid(messages, how, marks, on_text);
  if (verdict.rule != Rule::Redact) throw Kept(verdict.reason);
  std::optional<Redaction> redaction;
  try {
    redaction.emplace(texts, verdict.hidden);
  } catch (const std::exception&) {  // parts outside their text: a check that erred
    log_debug("policy: a check named parts to hide that are not there, so the request stays");
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
  Reply reply = paid(hidden, how, marks, restored);
  if (on_text && reply.answer.finish_reason != "cancelled") {
    const std::string rest = redaction->restore_piece({}, true);
    if (!rest.empty()) (void)on_text(rest);
  }
  reply.answer.text = redaction->restore(reply.answer.text);
  return reply;
}

std::vector<std::string> ServerDoor::models() {
  RemoteHooks hooks;
  hooks.may_send = [this](const SendIntent& intent) -> SendVerdict {
    if (options_.budget == nullptr) return {.may = true, .reason = {}};
    try {  // room for the least call that there is; it is given back at once
      Payment(options_, {1, 1, money_for(intent.price, 1, 1)}).spent({});
      return {.may = true, .reason = {}};
    } catch (const Kept& kept) {
      return {.may = false, .reason = kept.what()};
    }
  };
  try {
    return remote_.models(hooks);
  } catch (const MustStay& stays) {
    throw Kept(stays.check_failed() ? std::string(kFailed) : stays.what());
  } catch (const Error& error) {
    throw NoReply(error.code(), error.what(), 0);
  }
}

ServerDoor::Reply ServerDoor::paid(const std::vector<ChatMessage>& messages, const ChatOptions& how,
                                   const RequestMarks& marks, const OnText& on_text) {
  Turnstile turnstile(options_, messages, how);
  bool listener_threw = false;
  OnText listener;
  if (on_text) {
    listener = [&](std::string_view piece) {
      listener_threw = true;
      const bool more = on_text(piece);
      listener_threw = false;
      return more;
    };
  }
  const RemoteHooks hooks{
      .on_text = listener,
      .may_send = [&](const SendIntent& intent) { return turnstile.may_send(intent); },
      .on_attempt = [&](const RemoteAttempt& attempt) { turnstile.settle(attempt); },
      .cancelled = marks.gone};
  try {
    RemoteAnswer answer = remote_.chat(messages, how, hooks);
    return {std::move(answer), turnstile.money()};
  } catch (const MustStay& stays) {
    throw Kept(stays.check_failed() ? std::string(kFailed) : stays.what(), turnstile.money());
  } catch (const Error& error) {
    throw NoReply(error.code(), error.what(), turnstile.money());
  } catch (const Interrupted&) {
    throw;
  } catch (const std::exception& error) {  // no thread, no memory: the device can answer
    if (listener_threw) throw;
    throw NoReply(ErrorCode::Unavailable, std::string("the call failed: ") + error.what(),
                  turnstile.money());
  }
}

}  // namespace crayon
