// Several servers, retries, the last check before a socket opens, cancelling.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <deque>
#include <mutex>
#include <thread>

#include "crayon/http/server.h"
#include "crayon/remote/remote.h"

namespace crayon {
namespace {

using namespace std::chrono_literals;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::Property;
using testing::Throws;

ServerResponse good() {
  return {.body = R"({"choices":[{"message":{"content":"yes"},"finish_reason":"stop"}],)"
                  R"("usage":{"prompt_tokens":1000,"completion_tokens":10}})"};
}
ServerResponse status(int code, std::map<std::string, std::string> headers = {}) {
  return {.status = code, .body = "{}", .headers = std::move(headers)};
}

// Answers with what is queued, then well.
struct Scripted {
  Scripted() {
    server.route("POST", "/v1/chat/completions", [this](const ServerRequest& request) {
      const std::lock_guard lock(mutex);
      ++asked;
      bodies.push_back(request.body);
      if (script.empty()) return good();
      auto next = std::move(script.front());
      script.pop_front();
      return next;
    });
    server.start();
  }
  std::mutex mutex;
  std::deque<ServerResponse> script;
  std::vector<std::string> bodies;
  int asked = 0;
  HttpServer server{HttpServerOptions{}};
};

class ChainTest : public testing::Test {
 protected:
  Remote remote() {
    RemoteOptions options;
    options.servers = {{.url = a.server.url(), .model = "m", .key = "sk-first"},
                       {.url = b.server.url(), .model = "n", .key = {}, .price = {2, 30}}};
    options.timeouts = timeouts;
    options.retry = {.retries = 2, .first_wait = 1ms, .longest_wait = 2ms};
    options.breaker = breaker;
    return Remote(options);
  }
  static RemoteAnswer ask(Remote remote, const RemoteHooks& hooks = {}) {
    return remote.chat({{"user", "question"}}, {}, hooks);
  }

  Scripted a, b;
  HttpTimeouts timeouts{60s, 60s, 60s};
  BreakerOptions breaker{};
};

TEST_F(ChainTest, TheFirstServerAnswersAndTheSecondIsNotAsked) {
  const auto answer = ask(remote());
  EXPECT_EQ(answer.server, 0u);
  EXPECT_EQ(answer.cost, 0);
  EXPECT_EQ(b.asked, 0);
}

TEST_F(ChainTest, TheNextServerIsAskedAndItsPriceCounts) {
  for (int code : {400, 401, 404, 429, 500, 503}) a.script.push_back(status(code));
  for (int i = 0; i < 5; ++i) {
    const auto answer = ask(remote());
    EXPECT_EQ(answer.server, 1u);
    EXPECT_DOUBLE_EQ(answer.cost, (2 * 1000 + 30 * 10) / 1e6);
  }
  EXPECT_THAT(b.bodies.front(), HasSubstr(R"("model":"n")"));
}

TEST_F(ChainTest, OnlyWhatDidNoWorkIsAskedAgain) {
  const std::vector<std::pair<int, int>> cases = {{429, 3}, {502, 3}, {503, 3}, {500, 1},
                                                  {504, 1}, {400, 1}, {401, 1}};
  for (const auto& [code, times] : cases) {
    a.asked = b.asked = 0;
    a.script.assign(3, status(code));
    b.script.assign(3, status(code));
    EXPECT_THROW((void)ask(remote()), Error);
    EXPECT_EQ(a.asked, times) << code;
    EXPECT_EQ(b.asked, times) << code;
  }
}

TEST_F(ChainTest, SaysWhatBecameOfEachServer) {
  a.script.assign(3, status(503));
  b.script.assign(1, status(401));
  EXPECT_THAT(
      [&] { (void)ask(remote()); },
      Throws<Error>(AllOf(Property(&Error::what, HasSubstr("status 503) (asked 3 times); ")),
                          Property(&Error::what, HasSubstr("refuses the key")),
                          Property(&Error::what, Not(HasSubstr("sk-first"))))));
}

TEST_F(ChainTest, AWaitBeyondTheDeadlineIsNotBegun) {
  timeouts.total = 20s;
  for (Scripted* server : {&a, &b}) server->script.push_back(status(429, {{"Retry-After", "60"}}));
  EXPECT_THROW((void)ask(remote()), Error);
  EXPECT_EQ(a.asked + b.asked, 2);
}

TEST_F(ChainTest, AServerThatAskedToBeLeftAloneIsLeftAloneByLaterCalls) {
  a.script.push_back(status(429, {{"Retry-After", "60"}}));
  Remote both = remote();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(ask(both).server, 1u);
  EXPECT_EQ(a.asked, 1);
}

TEST_F(ChainTest, AServerThatKeepsFailingIsProbedOnceItHasRested) {
  breaker = {.failures = 2, .first_rest = 50ms, .longest_rest = 50ms};
  a.script.assign(2, status(500));
  Remote both = remote();
  for (int i = 0; i < 2; ++i) EXPECT_EQ(ask(both).server, 1u);
  for (auto answer = ask(both); answer.server != 0; answer = ask(both)) {
    std::this_thread::sleep_for(5ms);
  }
  EXPECT_EQ(a.asked, 3);
}

TEST_F(ChainTest, AStreamThatSpokeIsNeverTakenUpByAnother) {
  ServerResponse broken;
  broken.stream = [](const SendEvent& send) {
    send(R"({"choices":[{"delta":{"content":"Once"}}]})");
  };
  a.script.push_back(std::move(broken));
  std::string said;
  RemoteHooks hooks;
  hooks.on_text = [&](std::string_view piece) {
    said += piece;
    return true;
  };
  std::vector<RemoteAttempt> attempts;
  hooks.on_attempt = [&](const RemoteAttempt& attempt) { attempts.push_back(attempt); };
  EXPECT_THAT([&] { (void)ask(remote(), hooks); },
              Throws<Error>(Property(&Error::what, HasSubstr("broke off after 4 bytes"))));
  EXPECT_EQ(said, "Once");
  EXPECT_EQ(b.asked, 0);
  ASSERT_EQ(attempts.size(), 1u);
  EXPECT_TRUE(attempts[0].sent);
  EXPECT_EQ(attempts[0].completion_tokens, 1) << "what came is counted";
  EXPECT_FALSE(attempts[0].usage_reported);
}

TEST_F(ChainTest, ReportsEachTurnWithItsUsage) {
  a.script.push_back(status(500));
  std::vector<RemoteAttempt> attempts;
  RemoteHooks hooks;
  hooks.on_attempt = [&](const RemoteAttempt& attempt) { attempts.push_back(attempt); };
  (void)ask(remote(), hooks);
  ASSERT_EQ(attempts.size(), 2u);
  EXPECT_EQ(attempts[0].status, 500);
  EXPECT_THAT(attempts[0].error, HasSubstr("the server failed"));
  EXPECT_EQ(attempts[1].error, "");
  EXPECT_EQ(attempts[1].prompt_tokens, 1000);
  EXPECT_TRUE(attempts[1].usage_reported);
  EXPECT_EQ(attempts[1].model, "n");
}

TEST_F(ChainTest, ARefusalLeavesThatServerOut) {
  std::vector<std::string> models;
  RemoteHooks hooks;
  hooks.may_send = [&](const SendIntent& intent) -> SendVerdict {
    models.push_back(intent.model);
    return {.may = intent.model == "n", .reason = "model not allowed"};
  };
  EXPECT_EQ(ask(remote(), hooks).server, 1u);
  EXPECT_EQ(a.asked, 0);
  EXPECT_THAT(models, ElementsAre("m", "n"));
}

TEST_F(ChainTest, RefusedForAllItMustStay) {
  RemoteHooks hooks;
  hooks.may_send = [](const SendIntent&) { return SendVerdict{.may = false, .reason = "budget"}; };
  EXPECT_THAT([&] { (void)ask(remote(), hooks); },
              Throws<MustStay>(Property(&MustStay::what, testing::StrEq("budget"))));
  hooks.may_send = [](const SendIntent&) { return SendVerdict{}; };
  EXPECT_THROW((void)ask(remote(), hooks), MustStay) << "a verdict that says nothing says no";
  EXPECT_EQ(a.asked + b.asked, 0);
}

TEST_F(ChainTest, ACheckThatThrowsKeepsTheQuestionHereAndItsWordsToItself) {
  const std::vector<std::function<void()>> throws = {
      [] { throw std::runtime_error("my secret"); },
      [] { throw Error(ErrorCode::Unavailable, "my secret"); },
      [] { throw MustStay("my secret", false); },
      [] { throw 7; },
  };
  for (const auto& fail : throws) {
    RemoteHooks hooks;
    int checks = 0;
    hooks.may_send = [&](const SendIntent&) -> SendVerdict {
      ++checks;
      fail();
      return {.may = true};
    };
    EXPECT_THAT([&] { (void)ask(remote(), hooks); },
                Throws<MustStay>(AllOf(Property(&MustStay::check_failed, true),
                                       Property(&MustStay::what, Not(HasSubstr("my secret"))))));
    EXPECT_EQ(checks, 1) << "no other server is asked";
  }
  EXPECT_EQ(a.asked + b.asked, 0);
}

TEST_F(ChainTest, TheCheckComesBeforeEverySocket) {
  a.script.assign(3, status(503));
  b.script.assign(2, status(503));
  std::vector<int> attempts;
  RemoteHooks hooks;
  hooks.may_send = [&](const SendIntent& intent) -> SendVerdict {
    attempts.push_back(intent.attempt);
    return {.may = true};
  };
  EXPECT_EQ(ask(remote(), hooks).server, 1u);
  EXPECT_THAT(attempts, ElementsAre(0, 1, 2, 3, 4, 5));
}

TEST_F(ChainTest, CancelledWhileTheServerThinksItHearsOfIt) {
  std::atomic<bool> asked = false, noticed = false;
  HttpServer slow{HttpServerOptions{}};
  slow.route("POST", "/v1/chat/completions", [&](const ServerRequest& request) {
    asked = true;
    while (!request.disconnected()) std::this_thread::sleep_for(1ms);
    noticed = true;
    return good();
  });
  slow.start();
  Remote one({.url = slow.url(), .model = "m"}, timeouts);
  RemoteHooks hooks;
  hooks.cancelled = [&] { return asked.load(); };
  EXPECT_EQ(ask(one, hooks).finish_reason, "cancelled");
  asked = false;
  hooks.on_text = [](std::string_view) { return true; };
  EXPECT_EQ(ask(one, hooks).finish_reason, "cancelled");
  slow.stop();
  EXPECT_TRUE(noticed);
}

TEST_F(ChainTest, AQuestionWhetherToGoOnThatThrowsEndsTheCallAndIsNoFaultOfTheServer) {
  breaker.failures = 1;
  Remote both = remote();
  RemoteHooks hooks;
  hooks.cancelled = []() -> bool { throw std::runtime_error("gone"); };
  std::vector<std::string> errors;
  hooks.on_attempt = [&](const RemoteAttempt& attempt) { errors.push_back(attempt.error); };
  EXPECT_EQ(ask(both, hooks).finish_reason, "cancelled");
  EXPECT_THAT(errors, ElementsAre("")) << "no other server is asked";
  EXPECT_EQ(ask(both).server, 0u) << "and the first one is not left alone";
}

TEST_F(ChainTest, CancelledWhileItWaitsToAskAgain) {
  a.script.push_back(status(503, {{"Retry-After", "50"}}));
  Remote one({.url = a.server.url(), .model = "m"}, timeouts);
  RemoteHooks hooks;
  hooks.cancelled = [&] {
    const std::lock_guard lock(a.mutex);
    return a.asked > 0;
  };
  EXPECT_EQ(ask(one, hooks).finish_reason, "cancelled");
}

TEST_F(ChainTest, AServerThatThinksTooLongLeavesTimeForTheNext) {
  HttpServer slow{HttpServerOptions{}};
  slow.route("POST", "/v1/chat/completions", [&](const ServerRequest& request) {
    while (!request.disconnected()) std::this_thread::sleep_for(1ms);
    return good();
  });
  slow.start();
  RemoteOptions options;
  options.servers = {{.url = slow.url(), .model = "m"}, {.url = b.server.url(), .model = "n"}};
  options.timeouts = {2s, 2s, 2s};
  EXPECT_EQ(ask(Remote(options)).server, 1u);
}

TEST_F(ChainTest, AServerThatRefusesStreamOptionsIsAskedWithoutThem) {
  a.script.push_back(status(400));
  ServerResponse stream;
  stream.stream = [](const SendEvent& send) {
    send(R"({"choices":[{"delta":{"content":"a"},"finish_reason":"stop"}]})");
    send("[DONE]");
  };
  a.script.push_back(stream);
  a.script.push_back(stream);
  RemoteHooks hooks;
  hooks.on_text = [](std::string_view) { return true; };
  std::vector<int> attempts;
  hooks.on_attempt = [&](const RemoteAttempt& attempt) {
    EXPECT_TRUE(attempt.sent);
    attempts.push_back(attempt.status);
  };
  Remote both = remote();
  EXPECT_EQ(ask(both, hooks).text, "a");
  EXPECT_THAT(attempts, ElementsAre(400, 0)) << "each request is told of";
  EXPECT_EQ(ask(both, hooks).text, "a");
  EXPECT_THAT(a.bodies, ElementsAre(HasSubstr("include_usage"), Not(HasSubstr("include_usage")),
                                    Not(HasSubstr("include_usage"))));
}

TEST_F(ChainTest, AKeyThatTheServerRepeatsIsInNoMessage) {
  a.script.push_back({.status = 401, .body = R"({"error":{"message":"wrong key: sk-first"}})"});
  Remote one({.url = a.server.url(), .model = "m", .key = "sk-first"}, timeouts);
  EXPECT_THAT([&] { (void)ask(one); },
              Throws<Error>(Property(&Error::what, Not(HasSubstr("sk-first")))));
}

}  // namespace
}  // namespace crayon
