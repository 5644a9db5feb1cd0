// One request, from question to answer: the device answers, the router decides, and where it says
// so the server is asked. A server that fails never costs the answer: the device's is given, unless
// text of the server's was given already: nobody else goes on with that.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "crayon/engine/engine.h"
#include "crayon/prompt/example.h"
#include "crayon/remote/remote.h"
#include "crayon/router/router.h"
#include "crayon/session/device.h"
#include "crayon/session/door.h"
#include "crayon/session/tasks.h"
#include "crayon/store/decisions.h"

namespace crayon {

/// The reason where the server answered and could not be read: the device's answer stands.
inline constexpr const char* kNoChoiceNamed = "the server's reply named no choice";

struct Answer {
  std::string id;               ///< By which `crayon feedback` knows it.
  std::string text;             ///< The chosen choice's text, or the free answer.
  std::optional<int> choice;    ///< Index, for questions with choices; none when unparsed.
  Side side = Side::Device;     ///< Who gave it.
  std::string reason;           ///< The router's, a check's, or "server unavailable: ...".
  double confidence = 0;        ///< P(the device's answer is right).
  std::optional<double> scope;  ///< p-value; none when the task has no scope.
  /// How many examples the task would need before a scope can be below the router's level; 0 when
  /// it has them, or no scope.
  std::size_t scope_examples_needed = 0;
  std::vector<float> scores;          ///< The device's, one a choice; empty for free text.
  ChoiceSignals raw;                  ///< The device's, what the confidence was made of.
  double score = 0;                   ///< What the router compared ...
  double threshold = 0;               ///< ... with what.
  std::size_t prompt_tokens = 0;      ///< Of the side that answered.
  std::size_t completion_tokens = 0;  ///< The same; 0 for choices that the device scored.
  std::size_t cut_tokens = 0;         ///< Of the passage, cut to fit the device's context.
  bool unparsed = false;     ///< The server's reply named no choice; the device's is given.
  std::string server_error;  ///< Why the server did not answer; empty when it did or was not asked.
  std::int64_t money = 0;    ///< What servers cost, those that failed included; see kMoneyUnit.
  double seconds = 0;
};

struct AnswererOptions {
  RouterOptions router;
  bool local_only = false;         ///< Nothing leaves, whatever task and router say.
  int max_tokens = kAnswerTokens;  ///< Of a free answer.
  /// Tokens of a free answer written before it is decided who speaks. Where only the device can,
  /// they are said at once.
  std::size_t hold_back = kHoldBackTokens;
  std::vector<DecisionRecord> past{};  ///< Of the log, oldest first: the router goes on from them.
  DoorOptions door{};                  ///< The checks that a request must pass to leave.
  /// Gets each decision, without any text; what it throws is warned of and costs no answer.
  std::function<void(const DecisionRecord&)> on_decision{};
};

/// A reason as it may be logged and put into a header: what a server said, which may quote the
/// question, is cut off, and what is no phrase of ours is "other".
[[nodiscard]] std::string plain_reason(const std::string& reason);

/// The decision as it is logged. @param name  the task's
[[nodiscard]] DecisionRecord decision_record(const Answer& answer, const std::string& name,
                                             const Price& price);

/// Of the log's decisions those that the router made between the sides, whatever became of them,
/// with the scores that their signals have now.
[[nodiscard]] std::vector<PastDecision> past_decisions(std::span<const DecisionRecord> log,
                                                       const TaskOnDevice& task,
                                                       const Router& router);
/// How many entries of the log are enough to find kPastDecisions of them, as a rule.
inline constexpr std::size_t kPastEntries = 4 * kPastDecisions;

/// Joins one task, one engine, a router and, maybe, a server. Not thread-safe: one owner.
class Answerer {
 public:
  /// Sets the task's adapter on the engine. Model, engine and remote are borrowed for its life.
  /// @param remote  null: no server is configured, so nothing ever leaves
  /// @throws Error Incompatible, CorruptFile, NotFound  the task does not fit the model
  Answerer(const Model& model, Engine& engine, const OpenTask& task, Remote* remote = nullptr,
           AnswererOptions options = {});

  /// @param on_text  gets pieces of a free answer as they come, first byte after the decision;
  ///                 false cancels. Questions with choices come as one piece.
  /// @throws Error InvalidArgument  a question without text, too long for the context, or one that
  ///                                the policy blocks
  /// @throws Error Unavailable      the server went wrong when `on_text` had got text of it; the
  ///                                decision is logged, with what it cost
  /// @throws Interrupted            Ctrl-C while generating
  [[nodiscard]] Answer answer(const Example& question, const OnText& on_text = {},
                              const RequestMarks& marks = {});

  [[nodiscard]] const TaskOnDevice& task() const { return task_; }

 private:
  /// One request under way.
  struct Turn {
    const Example& question;
    const OnText& on_text;
    RequestMarks marks;
    std::chrono::steady_clock::time_point start;
    std::string kept;  ///< Why it may not leave; empty where it may.
  };
  /// Looks at the question before anything else does.
  [[nodiscard]] std::string kept_by(const Example& question, const RequestMarks& marks) const;
  void answer_choice(const Turn& turn, Answer& out);
  void answer_text(const Turn& turn, Answer& out);
  /// The server's free answer; false when it failed. @throws Error  see broke_off()
  [[nodiscard]] bool server_text(const Turn& turn, Answer& out);
  /// Ends a request whose text was begun by a server that failed. @throws Error Unavailable
  [[noreturn]] void broke_off(const Turn& turn, Answer& out) const;
  /// What is known at the end; logs it.
  void finish(const Turn& turn, Answer& out) const;
  [[nodiscard]] bool decide(const Turn& turn, const Signals& signals, Answer& out);
  void log(const Answer& answer) const;
  /// Runs `ask`; an error of the server goes into `out`, and false comes back.
  [[nodiscard]] bool try_server(const std::function<void(ServerDoor&)>& ask, Answer& out);

  Engine& engine_;
  TaskOnDevice task_;
  AnswererOptions options_;
  std::string name_;                ///< The task's.
  std::optional<ServerDoor> door_;  ///< None where nothing may leave or no mode would let it.
  Router router_;
};

}  // namespace crayon
