// What the tests of faults share: a task on a fake engine whose every question goes to the server.
//   the device says "yes" or "one two"; a server that answers says "B", the second choice: "no"
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "crayon/remote/remote.h"
#include "crayon/session/answer.h"
#include "crayon/testing/certificates.h"
#include "crayon/testing/fake_engine.h"
#include "crayon/testing/faulty_server.h"
#include "crayon/testing/random.h"

namespace crayon {

/// Waits that suit a test: for what only a deadline ends, and for all else.
inline constexpr HttpTimeouts kShortPatience{
    std::chrono::milliseconds(400), std::chrono::milliseconds(300), std::chrono::milliseconds(600)};
inline constexpr HttpTimeouts kLongPatience{std::chrono::seconds(60), std::chrono::seconds(60),
                                            std::chrono::seconds(60)};
inline HttpTimeouts patience(const Fault& fault) {
  // Its text must have come before the silence: a busy machine needs a while.
  if (fault.slow && fault.spoke) {
    return {kLongPatience.connect, std::chrono::seconds(3), kLongPatience.total};
  }
  return fault.slow ? kShortPatience : kLongPatience;
}

inline RetryOptions quick_retries() {
  return {.retries = 2,
          .first_wait = std::chrono::milliseconds(1),
          .longest_wait = std::chrono::milliseconds(2)};
}

class FaultWorld {
 public:
  FaultWorld() { authority_.write(ca_file()); }

  [[nodiscard]] const TestAuthority& authority() const { return authority_; }
  [[nodiscard]] std::filesystem::path ca_file() const { return folder_.path() / "authority.pem"; }
  [[nodiscard]] RemoteServer server(const std::string& url) const {
    return {
        .url = url, .model = "big", .key = "sk-very-secret", .ca_file = ca_file(), .price = {1, 1}};
  }
  /// @param log  gets each decision; null: nobody does
  [[nodiscard]] Answerer answerer(Remote& remote,
                                  std::vector<DecisionRecord>* log = nullptr) const {
    AnswererOptions options;
    options.router.mode = RouteMode::Always;
    if (log != nullptr) {
      options.on_decision = [log](const DecisionRecord& record) { log->push_back(record); };
    }
    return {*model_, *engine_, open_task("base"), &remote, options};
  }
  [[nodiscard]] static Example choice_question() {
    Example question;
    question.question = "is it *yes";
    question.choices = {"yes", "no", "maybe"};
    return question;
  }
  [[nodiscard]] static Example free_question() {
    Example question;
    question.kind = ExampleKind::Messages;
    question.messages = {{"user", "say *one two"}};
    return question;
  }
  /// What the device answers to the free question.
  [[nodiscard]] static const char* free_answer() { return "one two"; }

 private:
  TestAuthority authority_;
  TemporaryFolder folder_;
  std::shared_ptr<Model> model_ = make_fake_model({.d_model = 16});
  std::unique_ptr<Engine> engine_ = model_->open_engine({});
};

}  // namespace crayon
