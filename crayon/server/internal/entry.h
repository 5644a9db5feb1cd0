// What is kept of one answer of the API: its id, who gives it and why, and the numbers that go into
// headers, metrics and the decision log. No text.
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "crayon/engine/engine.h"
#include "crayon/http/server.h"
#include "crayon/server/internal/requests.h"
#include "crayon/server/internal/source.h"
#include "crayon/server/internal/switchboard.h"
#include "crayon/store/decisions.h"

namespace crayon::server {

class Entry {
 public:
  /// Looks at the request before anything else does. Borrows the switchboard.
  /// @throws Error InvalidArgument  the policy blocks it
  Entry(Switchboard& board, const ApiRequest& request, const ServerRequest& http);

  /// May it leave? Else the device answers, and nothing is decided.
  [[nodiscard]] bool may_leave() const { return may_leave_; }
  /// x-crayon-id, -side, -reason, and what is known by then of -confidence and -scope.
  [[nodiscard]] std::map<std::string, std::string> headers() const;

  /// A token of the device's, of an answer that is not decided about.
  void take(const GeneratedToken& token);
  /// Of an answer that is not decided about, or as part of the deciding.
  void take_signals(const ChoiceSignals& raw, const Signals& signals);
  /// Who speaks, and what that was decided from.
  void decided(const ChoiceSignals& raw, const Signals& signals, const Decision& decision);
  /// It came otherwise. @param why  may hold words of the server: they are cut off
  void answered_by(Side side, const std::string& why);
  /// A server cost this though another one, or the device, answers.
  void paid(std::int64_t money) { record_.money += money; }
  /// It ended with an error in the middle.
  void broke_off() {
    if (record_.server) record_.reason = "server broke off";
  }
  /// Counts and logs the answer; once. A log that cannot be written is warned of.
  void finish(const AnswerEnd& end);

 private:
  Switchboard& board_;
  DecisionRecord record_;
  bool may_leave_ = false;
  bool signals_known_ = false;
  bool finished_ = false;
  std::vector<float> log_probs_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace crayon::server
