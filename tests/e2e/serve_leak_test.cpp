// The same through `crayon serve`: a server that writes down every byte hears nothing of requests
// that must stay, streamed or not, chats, completions and choices; and hears the controls. With and
// without a name of the server's model.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include "crayon/http/client.h"
#include "crayon/server/serve.h"
#include "crayon/store/store.h"
#include "crayon/testing/fake_engine.h"
#include "crayon/testing/odd_checks.h"
#include "crayon/testing/random.h"
#include "crayon/testing/recording_server.h"

namespace crayon {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr int kRequests = 1000;

class ServeLeaks : public testing::TestWithParam<std::string> {
 protected:
  /// With a client that has asked nothing yet, not even which models there are.
  void start(const DoorOptions& door) {
    api_.reset();
    remote_.emplace(RemoteServer{.url = larger_.url(), .model = GetParam()});
    ServeOptions options;
    options.port = 0;
    options.model_name = "crayon:test";
    options.books.door = door;
    options.books.remote = &*remote_;
    options.books.router.mode = RouteMode::Always;
    api_ = std::make_unique<ApiServer>(make_fake_model(), options);
    api_->start();
  }
  HttpResponse ask(int k, const std::string& text, bool local) {
    const std::string all = text + " marker" + std::to_string(k);
    std::string body = k % 3 == 2 ? R"({"prompt":")" + all + R"(")"
                                  : R"({"messages":[{"role":"user","content":")" + all + R"("}])";
    if (k % 3 == 1) body += R"(,"guided_choice":["yes","no"])";
    if (k % 2 == 0) body += R"(,"stream":true)";
    HttpRequest request{.method = "POST",
                        .path = k % 3 == 2 ? "/v1/completions" : "/v1/chat/completions",
                        .body = body + R"(,"max_tokens":8})"};
    if (local) request.headers["x-crayon-local"] = "true";
    return HttpClient(api_->url()).send(request);
  }
  void stays(int k, const std::string& text, bool local = false) {
    const HttpResponse response = ask(k, text, local);
    ASSERT_EQ(response.status, 200) << response.body;
    ASSERT_EQ(response.headers.at("x-crayon-side"), "device") << k;
    ASSERT_TRUE(larger_.heard().empty()) << k << ": " << larger_.heard()[0];
  }
  /// The control: this one is heard.
  void leaves() {
    ASSERT_EQ(ask(0, "what is a noun", false).headers.at("x-crayon-side"), "server");
    const auto heard = larger_.heard();
    ASSERT_FALSE(heard.empty());
    EXPECT_THAT(heard.back(), HasSubstr("what is a noun"));
    if (heard.size() > 1) {
      ASSERT_EQ(heard.size(), 2u);
      EXPECT_THAT(heard.front(), AllOf(StartsWith("GET /v1/models"), Not(HasSubstr("noun"))));
    }
    larger_.forget();
  }

  TemporaryFolder folder_;
  RecordingServer larger_;
  std::optional<Remote> remote_;
  std::unique_ptr<ApiServer> api_;
};

std::string case_name(const testing::TestParamInfo<std::string>& model) {
  return model.param.empty() ? "Unnamed" : "Named";
}

INSTANTIATE_TEST_SUITE_P(Model, ServeLeaks, testing::Values("big", ""), case_name);

TEST_P(ServeLeaks, RequestsMarkedLocalStay) {
  start({});
  leaves();
  start({});
  for (int k = 0; k < kRequests && !HasFatalFailure(); ++k) stays(k, "tell me", true);
  leaves();
}

TEST_P(ServeLeaks, RequestsMatchedByADetectorOrAPatternStay) {
  PolicyOptions policy;
  policy.patterns = {{Rule::Local, "(?i)project aurora"}};
  const auto check = make_text_check(policy);
  start({});
  leaves();
  start({.check = check.get()});
  for (int k = 0; k < kRequests && !HasFatalFailure(); ++k) {
    const std::string texts[] = {"mail user" + std::to_string(k) + "@host.example",
                                 "my card is 4111 1111 1111 1111",
                                 "host 10.0." + std::to_string(k % 256) + ".7",
                                 "password: hunter" + std::to_string(k),
                                 "what of Project Aurora",
                                 "Write a title for this conversation",
                                 "Suggest five tags for the chat history above"};
    stays(k, texts[static_cast<std::size_t>(k) % std::size(texts)]);
  }
  leaves();
}

TEST_P(ServeLeaks, RequestsOverBudgetStay) {
  Store store(folder_.path() / "s.db");
  StoreBudget one(store, {.daily = {.calls = 1}});
  start({.budget = &one});
  leaves();  // the one call that there is
  start({.budget = &one});
  for (int k = 0; k < kRequests && !HasFatalFailure(); ++k) stays(k, "tell me");
  EXPECT_EQ(store.spending().today.calls, 1);
}

TEST_P(ServeLeaks, RequestsThatMeetACheckThatErrsStay) {
  const std::vector<std::function<Verdict()>> odd = {
      []() -> Verdict { throw Error(ErrorCode::CorruptFile, "x"); },
      []() -> Verdict { throw 1; },
      [] { return Verdict{}; },
      [] {
        return Verdict{Rule::Redact, {}, {{7, 3, 2, "X"}}};
      },
  };
  for (std::size_t fault = 0; fault < odd.size(); ++fault) {
    for (const int well_until : {0, 1, 2}) {  // the request's texts, the messages, then the socket
      ScriptedCheck check([&, well_until](int call, auto) {
        return call <= well_until ? may_leave() : odd[fault]();
      });
      start({.check = &check});
      for (int k = 0; k < kRequests / 12 && !HasFatalFailure(); ++k) {
        check.start_again();
        stays(k, "tell me");
      }
    }
  }
  start({});
  leaves();
}

}  // namespace
}  // namespace crayon
