// Who answers through the API: the device or a larger LLM, decided before the first byte.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <future>
#include <mutex>
#include <semaphore>
#include <thread>

#include "crayon/gate/head.h"
#include "crayon/gate/scope.h"
#include "crayon/http/client.h"
#include "crayon/prompt/prompt.h"
#include "crayon/server/internal/scripted_model_for_tests.h"
#include "crayon/server/internal/server_call.h"
#include "crayon/server/serve.h"
#include "crayon/store/store.h"
#include "crayon/testing/faulty_server.h"
#include "crayon/testing/random.h"
#include "crayon/testing/recording_server.h"

namespace crayon {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kChatPath = "/v1/chat/completions";

std::string chat(const std::string& text, const std::string& more = {}) {
  return R"({"messages":[{"role":"system","content":"be brief"},{"role":"user","content":")" +
         text + R"("}])" + more + "}";
}
const std::string kStream = R"(,"stream":true)";

class RoutedServer : public testing::Test {
 protected:
  /// @param change  of the options that send everything to the recording server
  void start(const std::function<void(ServeOptions&)>& change = {}) {
    ServeOptions options;
    options.port = 0;
    options.model_name = "crayon:test";
    options.engine.context_tokens = 64;
    options.books.remote = &remote_;
    options.books.router.mode = RouteMode::Always;
    options.books.task.name = "test";
    options.books.on_decision = [this](const DecisionRecord& record) {
      const std::lock_guard lock(mutex_);
      log_.push_back(record);
    };
    if (change) change(options);
    server_ = std::make_unique<ApiServer>(std::make_shared<ScriptedModel>(script_), options);
    server_->start();
  }
  HttpResponse post(const std::string& body, const std::map<std::string, std::string>& headers = {},
                    const std::string& path = kChatPath) {
    return HttpClient(server_->url())
        .send({.method = "POST", .path = path, .headers = headers, .body = body});
  }
  std::string reason(const HttpResponse& response) {
    return response.headers.at("x-crayon-reason");
  }
  std::vector<DecisionRecord> log() {
    const std::lock_guard lock(mutex_);
    return log_;
  }

  std::shared_ptr<Script> script_ = std::make_shared<Script>();
  RecordingServer larger_;  // says B
  Remote remote_{{.url = larger_.url(), .model = "big", .price = {1, 1}}};
  Remote down_{{.url = "http://127.0.0.1:9", .model = "big"}};
  std::mutex mutex_;
  std::vector<DecisionRecord> log_;  // guarded by mutex_
  std::unique_ptr<ApiServer> server_;
};

TEST_F(RoutedServer, AnEscalatedChatIsTheServersWholeAndStreamed) {
  start();
  const HttpResponse whole = post(chat("what is a noun"));
  EXPECT_EQ(whole.status, 200) << whole.body;
  EXPECT_THAT(whole.body, HasSubstr(R"("content":"B")"));
  EXPECT_THAT(whole.body, HasSubstr(R"("prompt_tokens":5)"));
  EXPECT_EQ(whole.headers.at("x-crayon-side"), "server");
  EXPECT_EQ(reason(whole), "always");
  EXPECT_TRUE(whole.headers.contains("x-crayon-confidence"));
  const HttpResponse stream = post(chat("what is a verb", kStream));
  EXPECT_EQ(stream.headers.at("x-crayon-side"), "server");
  EXPECT_TRUE(stream.headers.contains("x-crayon-confidence"));
  EXPECT_THAT(stream.body, AllOf(HasSubstr(R"("content":"B")"), HasSubstr("[DONE]")));
  EXPECT_THAT(stream.body, Not(HasSubstr("Hel"))) << "not a word of the device's";
  const auto heard = larger_.heard();
  ASSERT_EQ(heard.size(), 2u);
  EXPECT_THAT(heard[0], AllOf(HasSubstr("be brief"), HasSubstr("what is a noun")));
  ASSERT_EQ(log().size(), 2u);
  EXPECT_TRUE(log()[0].server);
  EXPECT_EQ(log()[0].money, 6000);
  EXPECT_EQ(log()[1].money, 6000);
  EXPECT_EQ(log()[1].completion_tokens, 1);
}

TEST_F(RoutedServer, ACompletionAndAChoiceAreAskedToo) {
  script_->scores = {{"yes", {-1, 1}}, {"no", {-2, 1}}};
  start();
  const HttpResponse plain = post(R"({"prompt":"one"})", {}, "/v1/completions");
  EXPECT_THAT(plain.body, AllOf(HasSubstr("text_completion"), HasSubstr(R"("text":"B")")));
  const HttpResponse choice = post(chat("is it", R"(,"guided_choice":["yes","no"])"));
  EXPECT_EQ(choice.headers.at("x-crayon-side"), "server");
  EXPECT_THAT(choice.body, HasSubstr(R"("content":"no")"));
  EXPECT_THAT(larger_.heard()[1], AllOf(HasSubstr("A. yes"), HasSubstr("be brief")));
  EXPECT_TRUE(log()[1].choices);
  EXPECT_GT(log()[1].margin, 0) << "the device's signals are kept, for calibrating";
}

TEST_F(RoutedServer, TheScopeOfATextFallsOutOfThePassThatAnswers) {
  TaskInfo info;
  info.whitening = {.mean = {0, 0}, .projection = Matrix(2, 2)};
  info.whitening.projection.at(0, 0) = info.whitening.projection.at(1, 1) = 1;
  info.scope_examples = Matrix(3, 2);
  for (std::size_t k = 0; k < 3; ++k) info.scope_examples.at(k, k % 2) = 1;
  script_->hidden = {3, 4};
  const double p = Scope(info.scope_examples).p_value(whiten(info.whitening, script_->hidden));
  start([&](ServeOptions& options) { options.books.task.info = info; });
  for (const std::string& more : {std::string(), kStream}) {
    const HttpResponse response = post(chat("what is a noun", more));
    EXPECT_NEAR(std::stod(response.headers.at("x-crayon-scope")), p, 5e-5) << more;
  }
  EXPECT_EQ(script_->embedded, 0) << "no pass of its own";
  ASSERT_EQ(log().size(), 2u);
  EXPECT_EQ(log()[0].scope, p);
}

TEST_F(RoutedServer, ACustomisedTaskChoosesAsItDoesWithoutTheApi) {
  script_->scores = {{" yes", {-1, 1}}, {" no", {-1.5f, 1}}, {"yes", {-1, 1}}, {"no", {-1.5f, 1}}};
  TaskInfo info;
  info.head.labels = {label_hash("yes")};
  info.head.bias = {2};
  start([&](ServeOptions& options) {
    options.books.remote = nullptr;
    options.books.task.info = info;
  });
  const HttpResponse by_chat = post(chat("is it", R"(,"guided_choice":["yes","no"])"));
  EXPECT_THAT(by_chat.body, HasSubstr(R"("content":"no")")) << "the bias of yes is taken off";
  const HttpResponse by_prompt =
      post(R"({"prompt":"Is it?","guided_choice":["yes","no"]})", {}, "/v1/completions");
  EXPECT_THAT(by_prompt.body, HasSubstr(R"("text":"no")"));
  Example question;
  question.context = "be brief";
  question.question = "is it";
  question.choices = {"yes", "no"};
  const RenderedPrompt own = render(OpenTask{}.prompt, question, {});
  ASSERT_EQ(script_->scored.size(), 2u);
  EXPECT_EQ(script_->scored[0].text, own.text) << "as the task's examples were put";
  EXPECT_EQ(script_->scored[0].choices, own.choices);
  EXPECT_EQ(script_->scored[1].text, "Is it?");
  ASSERT_EQ(log().size(), 2u);
  EXPECT_EQ(log()[0].completion_tokens, 0) << "the device writes nothing of a choice";
  EXPECT_NEAR(log()[0].top, 1 / (1 + std::exp(-1.5)), 1e-4);
}

TEST_F(RoutedServer, TheRouterDecidesFromTheDevicesFirstTokens) {
  start([](ServeOptions& options) {
    options.books.router = {.mode = RouteMode::Risk, .risk_threshold = 0.5};
    options.books.hold_back = 2;
  });
  const HttpResponse unsure = post(chat("a"));  // log-probs -0.5 and -1: far below
  EXPECT_EQ(unsure.headers.at("x-crayon-side"), "server");
  EXPECT_EQ(reason(unsure), "unsure");
  server_.reset();
  start([](ServeOptions& options) {
    options.books.router = {.mode = RouteMode::Risk, .risk_threshold = 0.1};
  });
  for (const std::string& more : {std::string(), kStream}) {
    const HttpResponse sure = post(chat("a", more));
    EXPECT_EQ(sure.headers.at("x-crayon-side"), "device");
    EXPECT_EQ(reason(sure), "confident");
    EXPECT_THAT(sure.body, HasSubstr(more.empty() ? "Hello world" : " world"));
  }
  EXPECT_EQ(log().back().completion_tokens, 3) << "held tokens are counted once";
  EXPECT_EQ(larger_.heard().size(), 1u);
}

TEST_F(RoutedServer, WhatMustStayStaysAndSaysWhy) {
  const auto check = make_text_check({});
  start([&](ServeOptions& options) { options.books.door.check = check.get(); });
  for (const std::string& more :
       {std::string(), kStream, std::string(R"(,"guided_choice":["a"])")}) {
    EXPECT_EQ(reason(post(chat("tell", more), {{"x-crayon-local", "true"}})), "local only");
    EXPECT_EQ(reason(post(chat("mail jane@doe.example", more))), "private: e-mail");
    EXPECT_EQ(reason(post(chat("Write a title for this conversation", more))), "background prompt");
  }
  EXPECT_EQ(reason(post(chat("tell", R"(,"logprobs":true)"))), "log-probs asked");
  EXPECT_TRUE(larger_.heard().empty());
  EXPECT_EQ(post(chat("tell")).headers.at("x-crayon-side"), "server");
}

TEST_F(RoutedServer, ADeadServerCostsNoAnswer) {
  script_->scores = {{"yes", {-1, 1}}, {"no", {-2, 1}}};
  start([&](ServeOptions& options) { options.books.remote = &down_; });
  for (const std::string& more :
       {std::string(), kStream, std::string(R"(,"guided_choice":["yes","no"])")}) {
    const HttpResponse response = post(chat("tell", more));
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.headers.at("x-crayon-side"), "device");
    EXPECT_EQ(reason(response), "server unavailable");
    EXPECT_THAT(response.body, testing::AnyOf(HasSubstr("world"), HasSubstr("yes")));
  }
  EXPECT_EQ(log().size(), 3u);
}

TEST_F(RoutedServer, ASpentBudgetLeavesTheAnswerToTheDevice) {
  TemporaryFolder folder;
  Store store(folder.path() / "s.db");
  StoreBudget budget(store, {.daily = {.calls = 1}});
  start([&](ServeOptions& options) { options.books.door.budget = &budget; });
  EXPECT_EQ(post(chat("one")).headers.at("x-crayon-side"), "server");
  const HttpResponse second = post(chat("two", kStream));
  EXPECT_EQ(second.headers.at("x-crayon-side"), "device");
  EXPECT_EQ(reason(second), "budget spent");
  EXPECT_THAT(second.body, HasSubstr("world"));
  EXPECT_EQ(larger_.heard().size(), 1u);
}

TEST_F(RoutedServer, AStreamThatBreaksOffEndsWithAnErrorAndIsNotGoneOnWith) {
  const TestAuthority authority;
  int tried = 0;
  for (const Fault& fault : all_faults()) {
    if (!fault.spoke || fault.slow) continue;
    SCOPED_TRACE(fault.name);
    FaultyServer faulty(authority, [&](int) { return &fault; });
    Remote remote({.url = faulty.url(), .model = "big", .price = {1, 1}});
    start([&](ServeOptions& options) { options.books.remote = &remote; });
    const HttpResponse stream = post(chat("tell", kStream));
    EXPECT_EQ(stream.headers.at("x-crayon-side"), "server");
    EXPECT_THAT(stream.body, AllOf(HasSubstr(R"("content":"B")"), HasSubstr("error"),
                                   Not(HasSubstr("world")), Not(HasSubstr("[DONE]"))));
    ASSERT_EQ(log().size(), static_cast<std::size_t>(++tried));
    EXPECT_EQ(log().back().reason, "server broke off");
    EXPECT_GT(log().back().money, 0) << "it may have done all the work";
    server_.reset();  // before the client that it borrows
  }
  EXPECT_GE(tried, 3);
}

TEST_F(RoutedServer, WhatAServerThatFailedMayHaveCostIsLoggedThoughTheDeviceAnswers) {
  script_->scores = {{"yes", {-1, 1}}, {"no", {-2, 1}}};
  const TestAuthority authority;
  const auto nothing = [](FaultyPeer& peer) { (void)peer.read_request(); };
  const Fault hangs_up{.name = "hangs up", .reason = nullptr, .serve = nothing};
  FaultyServer faulty(authority, [&](int) { return &hangs_up; });
  Remote remote({.url = faulty.url(), .model = "big", .price = {1, 1}});
  start([&](ServeOptions& options) { options.books.remote = &remote; });
  for (const std::string& more : {kStream, std::string(R"(,"guided_choice":["yes","no"])")}) {
    EXPECT_EQ(post(chat("tell", more)).headers.at("x-crayon-side"), "device");
    EXPECT_FALSE(log().back().server);
    EXPECT_GT(log().back().money, 0) << more;
  }
}

TEST_F(RoutedServer, WhatAnAbandonedCallMayHaveCostIsLoggedAndIsNoFaultOfTheServer) {
  script_->scores = {{"yes", {-1, 1}}, {"no", {-2, 1}}};
  const TestAuthority authority;
  std::atomic<bool> asked = false;
  const auto silent = [&](FaultyPeer& peer) {
    asked = peer.read_request();
    std::this_thread::sleep_for(std::chrono::seconds(1));
  };
  const Fault slow{.name = "slow", .reason = nullptr, .serve = silent};
  FaultyServer faulty(authority, [&](int) { return &slow; });
  Remote remote({.url = faulty.url(), .model = "big", .price = {1, 1}});
  start([&](ServeOptions& options) { options.books.remote = &remote; });
  std::size_t logged = 0;
  for (const std::string& more : {kStream, std::string(R"(,"guided_choice":["yes","no"])")}) {
    asked = false;
    HttpHooks leave;
    leave.cancelled = [&] { return asked.load(); };
    (void)HttpClient(server_->url())
        .send({.method = "POST", .path = kChatPath, .headers = {}, .body = chat("tell", more)},
              leave);
    ++logged;
    for (int k = 0; k < 200 && log().size() < logged; ++k) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    ASSERT_EQ(log().size(), logged) << more;
    EXPECT_GT(log().back().money, 0) << more;
    EXPECT_EQ(log().back().reason, "always") << more;
  }
}

TEST_F(RoutedServer, StopsEndAServersAnswerWhereverTheyLie) {
  RecordingServer wordy("one END two");
  Remote remote({.url = wordy.url(), .model = "big"});
  start([&](ServeOptions& options) { options.books.remote = &remote; });
  const std::string stop = R"(,"stop":["END"])";
  EXPECT_THAT(post(chat("tell", stop)).body, HasSubstr(R"("content":"one ")"));
  const std::string stream = post(chat("tell", stop + kStream)).body;
  EXPECT_THAT(stream, AllOf(HasSubstr("one "), Not(HasSubstr("two")), HasSubstr("[DONE]")));
}

TEST(StopCutter, FindsAStopOverPiecesAndCutsNoCharacter) {
  const std::string text = "größer – 日本語 <end> rest";
  for (std::size_t size = 1; size < 9; ++size) {
    server::StopCutter cutter({"<end>", "nothing of this"});
    std::string said;
    for (std::size_t at = 0; at < text.size(); at += size) {
      const std::string piece = cutter.take(text.substr(at, size), false);
      const bool whole = piece.empty() || (static_cast<unsigned char>(piece[0]) & 0xC0) != 0x80;
      EXPECT_TRUE(whole) << size;
      said += piece;
    }
    said += cutter.take({}, true);
    EXPECT_EQ(said, "größer – 日本語 ") << size;
    EXPECT_TRUE(cutter.stopped());
  }
  server::StopCutter none({});
  EXPECT_EQ(none.take("all", false), "all");
  server::StopCutter open({"END"});
  std::string said = open.take("an EN", false);
  said += open.take("", true);
  EXPECT_EQ(said, "an EN");
}

TEST_F(RoutedServer, MetricsCountBySideAndReason) {
  const auto check = make_text_check({.patterns = {{Rule::Block, "aurora"}}});
  start([&](ServeOptions& options) { options.books.door.check = check.get(); });
  (void)post(chat("tell"));
  (void)post(chat("tell", kStream));
  (void)post(chat("mail jane@doe.example"));
  (void)post(chat("aurora"));
  const HttpResponse metrics = HttpClient(server_->url()).send({.path = "/metrics"});
  EXPECT_THAT(metrics.headers.at("content-type"), HasSubstr("version=0.0.4"));
  EXPECT_THAT(
      metrics.body,
      AllOf(HasSubstr("crayon_answers_total{side=\"server\",reason=\"always\"} 2\n"),
            HasSubstr("crayon_answers_total{side=\"device\",reason=\"private: e-mail\"} 1\n"),
            HasSubstr("crayon_blocked_total 1\n"),
            HasSubstr("crayon_answer_seconds_count{side=\"server\"} 2\n"),
            HasSubstr("crayon_tokens_total{side=\"server\",kind=\"prompt\"} 10\n"),
            Not(HasSubstr("jane")), HasSubstr("crayon_queue_waiting 0\n")));
}

/// A larger LLM that says nothing until its client has gone, and tells both.
class SilentServer : public RoutedServer {
 protected:
  ~SilentServer() override { server_.reset(); }  // its calls use what stands here
  const TestAuthority authority_;
  std::binary_semaphore asked_{0};
  std::binary_semaphore left_{0};
  const Fault silent_{.name = "silent", .reason = nullptr, .serve = [this](FaultyPeer& peer) {
                        if (!peer.read_request()) return;
                        asked_.release();
                        peer.wait_for_close();
                        left_.release();
                      }};
  FaultyServer faulty_{authority_, [this](int) { return &silent_; }};
  Remote silent_remote_{{.url = faulty_.url(), .model = "big"}};
};

TEST_F(SilentServer, IsLeftWhenTheClientGoes) {
  start([&](ServeOptions& options) { options.books.remote = &silent_remote_; });
  std::atomic<bool> go = false;
  auto client = std::async(std::launch::async, [&] {
    HttpHooks hooks;
    hooks.cancelled = [&] { return go.load(); };
    return HttpClient(server_->url())
        .send({.method = "POST", .path = kChatPath, .body = chat("tell", kStream)}, hooks)
        .cancelled;
  });
  asked_.acquire();
  go = true;
  EXPECT_TRUE(client.get());
  left_.acquire();  // or this would wait for the server's own deadline
}

TEST_F(SilentServer, DoesNotHoldTheEngineUp) {
  start([&](ServeOptions& options) {
    options.books.remote = &silent_remote_;
    options.queue = 1;
  });
  auto waiting = std::async(std::launch::async, [&] { return post(chat("tell")).status; });
  asked_.acquire();
  for (int k = 0; k < 3; ++k) {
    EXPECT_EQ(post(chat("hi"), {{"x-crayon-local", "1"}}).status, 200);
  }
  server_->stop();
  EXPECT_EQ(waiting.get(), 503) << "stopping ends the call too";
  left_.acquire();
}

}  // namespace
}  // namespace crayon
