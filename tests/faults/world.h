// What the tests of faults share: a task on a fake engine whose every question goes to the server.
//   the device says "yes" or "one two"; a server that answers says "B", the second choice: "no"
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "crayon/remote/remote.h"
#include "crayon/session/answer.h"
#include "crayon/testing/certificates.h"
#include "crayon/testing/fake_engine.h"
#include "crayon/testing/faulty_server.h"
#include "crayon/testing/random.h"

namespace crayon {

/// Waits that suit a test: one that only a deadline ends gets a short one, another a long one.
inline HttpTimeouts patience(bool slow) {
  using std::chrono::milliseconds;
  if (slow) return {milliseconds(400), milliseconds(300), milliseconds(600)};
  return {milliseconds(60000), milliseconds(60000), milliseconds(60000)};
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
    return {.url = url, .model = "big", .key = "sk-very-secret", .ca_file = ca_file()};
  }
  [[nodiscard]] Answerer answerer(Remote& remote) const {
    AnswererOptions options;
    options.router.mode = RouteMode::Always;
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
