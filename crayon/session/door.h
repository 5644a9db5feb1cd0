// The one way from a request to the larger LLM. What goes out is checked here once more, on the
// very texts that are sent, hidden where the policy says so, paid for, and only then handed on. Any
// error, delay or nonsense of a check counts as "must stay".
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "crayon/base/error.h"
#include "crayon/prompt/example.h"
#include "crayon/remote/remote.h"
#include "crayon/router/policy.h"
#include "crayon/store/budget.h"

namespace crayon {

/// In billionths of the currency's unit, rounded up.
[[nodiscard]] std::int64_t money_for(const Price& price, std::int64_t prompt_tokens,
                                     std::int64_t completion_tokens);

/// The checks are borrowed and may be used by several doors at once.
struct DoorOptions {
  const TextCheck* check = nullptr;   ///< Null: no policy for texts.
  Budget* budget = nullptr;           ///< Null: no limit.
  std::vector<std::string> models{};  ///< The only ones that servers may be asked for; empty: any.
  Price price{};                      ///< The first server's: what answers of the device save.
  std::chrono::milliseconds patience{2000};  ///< A check that takes longer says nothing.
};

/// What one request says of itself.
struct RequestMarks {
  bool local_only = false;
  /// Has who asked gone? Asked from other threads; true ends a call of the server.
  std::function<bool()> gone{};
};

/// A call that no server answered to its end. What was sent to them may have cost all the same.
class NoReply : public Error {
 public:
  NoReply(ErrorCode code, const std::string& message, std::int64_t money)
      : Error(code, message), money_(money) {}
  [[nodiscard]] std::int64_t money() const noexcept { return money_; }  ///< See kMoneyUnit.

 private:
  std::int64_t money_;
};

/// A request that may not leave. The message is the reason, in words of ours.
class Kept : public NoReply {
 public:
  explicit Kept(const std::string& reason, std::int64_t money = 0)
      : NoReply(ErrorCode::Unavailable, reason, money) {}
};

/// Was it kept for what it says? Else by a budget, a model or a check that failed, so that another
/// time it may go.
[[nodiscard]] bool kept_for_its_text(const Kept& kept);

/// What a call that ended so had cost by then: of errors that are no NoReply, 0.
[[nodiscard]] std::int64_t money_of(const Error& error) noexcept;

/// The verdict of a check, or Local with the reason "check failed" where it throws, takes too long
/// or says what makes no sense. No check: Send.
[[nodiscard]] Verdict look(const DoorOptions& options, std::span<const std::string_view> texts);
/// The same for all texts of a question.
[[nodiscard]] Verdict look(const DoorOptions& options, const Example& question);

/// Borrows the client and the checks. Safe to use from several threads.
class ServerDoor {
 public:
  /// Without options: no rule at all, for public data.
  explicit ServerDoor(Remote& remote, DoorOptions options = {});

  struct Reply {
    RemoteAnswer answer;     ///< What was hidden is put back into its text.
    std::int64_t money = 0;  ///< What it cost, servers that failed included; see kMoneyUnit.
  };
  /// Asks the servers. The texts, the model and the budget are looked at before each socket, the
  /// one that only asks which models there are included; each request that carries the question is
  /// a call of the budget, also where the same server is asked again.
  /// @throws Kept  nothing may be sent; NoReply  as Remote::chat() throws Error
  [[nodiscard]] Reply chat(const std::vector<ChatMessage>& messages, const ChatOptions& how,
                           const RequestMarks& marks = {}, const OnText& on_text = {});
  /// Which models there are, as Remote::models(). Sends no text and is no call of the budget, but a
  /// budget that is spent keeps this question here too.
  /// @throws Kept, NoReply  as chat()
  [[nodiscard]] std::vector<std::string> models();

 private:
  [[nodiscard]] Reply paid(const std::vector<ChatMessage>& messages, const ChatOptions& how,
                           const RequestMarks& marks, const OnText& on_text);

  Remote& remote_;
  DoorOptions options_;
};

}  // namespace crayon
