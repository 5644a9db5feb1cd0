#include "crayon/remote/remote.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

#include "crayon/base/error.h"
#include "crayon/http/server.h"

namespace crayon {
namespace {

using namespace std::chrono_literals;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::Property;
using testing::Throws;

constexpr const char* kKey = "sk-very-secret";

auto fails(ErrorCode code, const std::string& part) {
  return Throws<Error>(AllOf(Property(&Error::code, code), Property(&Error::what, HasSubstr(part)),
                             Property(&Error::what, HasSubstr("http://127.0.0.1:")),
                             Property(&Error::what, Not(HasSubstr(kKey)))));
}

ServerResponse json(int status, const std::string& body) {
  return {.status = status, .body = body};
}

ServerResponse events(std::vector<std::string> data) {
  ServerResponse response;
  response.stream = [data = std::move(data)](const SendEvent& send) {
    for (const auto& event : data) send(event);
  };
  return response;
}

std::string delta(const std::string& text, const std::string& finish = "null") {
  return R"({"model":"m","choices":[{"delta":{"content":")" + text + R"("},"finish_reason":)" +
         finish + "}]}";
}

// A server that answers each route with what the test sets.
class RemoteTest : public testing::Test {
 protected:
  RemoteTest() {
    server.route("POST", "/v1/chat/completions",
                 [this](const ServerRequest& r) { return answer(r); });
    server.route("POST", "/v1/completions", [this](const ServerRequest& r) { return answer(r); });
    server.route("GET", "/v1/models", [this](const ServerRequest&) {
      ++models_asked;
      return json(200, models);
    });
    server.start();
  }
  Remote remote(const std::string& model = "m", const std::string& suffix = "") {
    RemoteOptions options;
    options.servers = {{.url = server.url() + suffix, .model = model, .key = kKey}};
    options.timeouts = {60s, 60s, 60s};
    options.retry = {.retries = 2, .first_wait = 1ms, .longest_wait = 2ms};
    return Remote(options);
  }
  RemoteAnswer chat(const OnText& on_text = {}) {
    return remote().chat({{"user", "question"}}, {}, on_text);
  }
  RemoteAnswer stream(std::vector<std::string> data) {
    answer = [data](const ServerRequest&) { return events(data); };
    return chat([this](std::string_view piece) {
      pieces.emplace_back(piece);
      return true;
    });
  }

  std::function<ServerResponse(const ServerRequest&)> answer = [](const ServerRequest&) {
    return json(200, R"({"model":"m","choices":[{"message":{"content":"yes"},"text":"plain"}]})");
  };
  std::string models = R"({"data":[{"id":"first"},{"id":"second"}]})";
  std::atomic<int> models_asked = 0;
  std::vector<std::string> pieces;
  HttpServer server{HttpServerOptions{}};
};

TEST_F(RemoteTest, SendsTheKeyAndReadsTheAnswer) {
  std::string key, body;
  answer = [&](const ServerRequest& request) {
    key = request.headers.at("authorization");
    body = request.body;
    return json(200, R"({"choices":[{"message":{"content":"yes"},"finish_reason":"stop"}]})");
  };
  EXPECT_EQ(chat().text, "yes");
  EXPECT_EQ(key, std::string("Bearer ") + kKey);
  EXPECT_THAT(body, AllOf(HasSubstr("question"), HasSubstr(R"("stream":false)")));
}

TEST_F(RemoteTest, TakesAUrlWithAndWithoutVersion) {
  for (const std::string suffix : {"", "/", "/v1", "/v1/"}) {
    EXPECT_EQ(remote("m", suffix).chat({{"user", "q"}}, {}).text, "yes") << suffix;
  }
}

TEST_F(RemoteTest, CompletesAPlainPrompt) {
  answer = [](const ServerRequest& request) {
    return json(200, R"({"choices":[{"text":")" + request.path + R"("}]})");
  };
  EXPECT_EQ(remote().complete("p", {}).text, "/v1/completions");
}

TEST_F(RemoteTest, AsksForTheFirstModelOnceWhenNoneIsNamed) {
  std::string body;
  answer = [&](const ServerRequest& request) {
    body = request.body;
    return json(200, R"({"choices":[{"text":""}]})");
  };
  Remote nameless = remote("");
  EXPECT_THAT(nameless.models(), ElementsAre("first", "second"));
  models_asked = 0;
  (void)nameless.complete("p", {});
  (void)nameless.complete("p", {});
  EXPECT_THAT(body, HasSubstr(R"("model":"first")"));
  EXPECT_EQ(models_asked, 1);
}

TEST_F(RemoteTest, SaysThatAServerHasNoModels) {
  models = R"({"data":[]})";
  EXPECT_THAT([&] { (void)remote("").complete("p", {}); },
              fails(ErrorCode::NotFound, "lists no model"));
  models = R"({"data":7})";
  EXPECT_THAT([&] { (void)remote("").models(); }, fails(ErrorCode::CorruptFile, "'data'"));
}

TEST_F(RemoteTest, StreamsPiecesAsTheyCome) {
  const auto whole =
      stream({R"({"choices":[{"delta":{"role":"assistant"}}]})", delta("a"), delta("b\\n"),
              delta("", R"("stop")"),
              R"({"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":2}})", "[DONE]"});
  EXPECT_THAT(pieces, ElementsAre("a", "b\n"));
  EXPECT_EQ(whole.text, "ab\n");
  EXPECT_EQ(whole.finish_reason, "stop");
  EXPECT_EQ(whole.prompt_tokens, 5);
  EXPECT_EQ(whole.completion_tokens, 2);
}

TEST_F(RemoteTest, CallsAStreamBrokenThatEndsWithoutDoneAndReason) {
  EXPECT_THAT([&] { stream({delta("abc")}); },
              fails(ErrorCode::Unavailable, "broke off after 3 bytes"));
  EXPECT_THAT([&] { stream({}); }, fails(ErrorCode::Unavailable, "broke off after 0 bytes"));
  EXPECT_EQ(stream({delta("abc", R"("length")")}).finish_reason, "length");
  EXPECT_EQ(stream({delta("abc"), "[DONE]"}).text, "abc");
}

TEST_F(RemoteTest, ThrowsAnErrorEventInsideAStream) {
  EXPECT_THAT(
      [&] {
        stream({delta("a"), R"({"error":{"message":"out of memory"}})"});
      },
      fails(ErrorCode::Unavailable, "out of memory"));
  EXPECT_THAT([&] { stream({delta("a"), "not json"}); }, fails(ErrorCode::CorruptFile, "8 bytes"));
}

TEST_F(RemoteTest, CancelsWhenTheCallerSaysSo) {
  std::atomic<bool> noticed = false;
  answer = [&](const ServerRequest&) {
    ServerResponse response;
    response.stream = [&](const SendEvent& send) {
      while (send(delta("a"))) std::this_thread::yield();
      noticed = true;
    };
    return response;
  };
  const auto answered = chat([](std::string_view) { return false; });
  EXPECT_EQ(answered.finish_reason, "cancelled");
  EXPECT_EQ(answered.text, "a");
  server.stop();
  EXPECT_TRUE(noticed) << "the server must see that the connection is closed";
}

TEST_F(RemoteTest, PassesOnWhatTheCallerThrowsAlsoAfterTheLastPiece) {
  answer = [](const ServerRequest&) { return events({delta("a", R"("stop")"), "[DONE]"}); };
  EXPECT_THAT(
      [&] { chat([](std::string_view) -> bool { throw Error(ErrorCode::Unavailable, "mine"); }); },
      Throws<Error>(Property(&Error::what, HasSubstr("mine"))));
}

TEST_F(RemoteTest, TellsApartWhyTheServerRefuses) {
  const std::vector<std::tuple<int, ErrorCode, std::string>> cases = {
      {400, ErrorCode::InvalidArgument, "refuses the request (status 400, it says: because)"},
      {422, ErrorCode::InvalidArgument, "because"},
      {401, ErrorCode::Unavailable, "refuses the key"},
      {403, ErrorCode::Unavailable, "refuses the key"},
      {404, ErrorCode::NotFound, "no such model or path"},
      {429, ErrorCode::Unavailable, "too many requests"},
      {500, ErrorCode::Unavailable, "the server failed; try later (status 500"},
      {503, ErrorCode::Unavailable, "because"}};
  for (const auto& [status, code, part] : cases) {
    answer = [status = status](const ServerRequest&) {
      return json(status, R"({"error":{"message":"because"}})");
    };
    EXPECT_THAT([&] { (void)chat(); }, fails(code, part)) << status;
    EXPECT_THAT([&] { (void)chat([](std::string_view) { return true; }); }, fails(code, part))
        << status;
  }
}

TEST_F(RemoteTest, AServerThatRefusesLogProbsIsAskedWithoutThemFromThenOn) {
  std::vector<bool> with;
  answer = [&](const ServerRequest& request) {
    with.push_back(request.body.find("logprobs") != std::string::npos);
    if (with.back()) {
      return json(400, R"({"error":{"message":"logprobs are not supported by this model"}})");
    }
    return json(200, R"({"choices":[{"message":{"content":"yes"}}]})");
  };
  Remote client = remote();
  EXPECT_EQ(client.chat({{"user", "q"}}, {.top_log_probs = 5}).text, "yes");
  EXPECT_EQ(client.chat({{"user", "q"}}, {.top_log_probs = 5}).text, "yes");
  EXPECT_THAT(with, ElementsAre(true, false, false));
}

TEST_F(RemoteTest, ARefusalInWhateverWordsIsTriedWithoutLogProbs) {
  const std::vector<std::pair<int, std::string>> refusals = {
      {422,
       R"({"detail":[{"type":"extra_forbidden","loc":["body","top_k"],"msg":"Not permitted"}]})"},
      {400, "no"}};
  for (const auto& [status, body] : refusals) {
    answer = [status = status, body = body](const ServerRequest& request) {
      const bool with = request.body.find("logprobs") != std::string::npos;
      return with ? json(status, body) : json(200, R"({"choices":[{"message":{"content":"a"}}]})");
    };
    Remote client = remote();
    EXPECT_EQ(client.chat({{"user", "q"}}, {.top_log_probs = 5}).text, "a") << body;
  }
}

TEST_F(RemoteTest, WhatIsRefusedWithoutLogProbsTooIsToldAsAtFirst) {
  std::vector<bool> with;
  answer = [&](const ServerRequest& request) {
    with.push_back(request.body.find("logprobs") != std::string::npos);
    return json(400, with.back() ? R"({"error":{"message":"the prompt is too long"}})"
                                 : R"({"error":{"message":"still too long"}})");
  };
  Remote client = remote();
  const auto ask = [&] { (void)client.chat({{"user", "q"}}, {.top_log_probs = 5}); };
  EXPECT_THAT(ask, fails(ErrorCode::InvalidArgument, "the prompt is too long"));
  EXPECT_THAT(ask, fails(ErrorCode::InvalidArgument, "the prompt is too long"));
  EXPECT_THAT(with, ElementsAre(true, false, true, false)) << "log-probs were not the reason";
}

/// Log-probs and a stream's usage are apart: what is known of one says nothing of the other.
TEST_F(RemoteTest, AStreamWithUsageDoesNotMakeLogProbsARefusalForAnotherReason) {
  std::vector<bool> usage;
  answer = [&](const ServerRequest& request) {
    if (request.body.find("logprobs") != std::string::npos) return json(400, "{}");
    if (request.body.find("\"stream\":true") == std::string::npos) {
      return json(200, R"({"choices":[{"message":{"content":"yes"}}]})");
    }
    usage.push_back(request.body.find("include_usage") != std::string::npos);
    return events({delta("a", "\"stop\""), "[DONE]"});
  };
  Remote client = remote();
  const OnText listen = [](std::string_view) { return true; };
  for (int k = 0; k < 2; ++k) {
    EXPECT_EQ(client.chat({{"user", "q"}}, {}, listen).text, "a");
    EXPECT_EQ(client.chat({{"user", "q"}}, {.top_log_probs = 5}).text, "yes");
  }
  EXPECT_THAT(usage, ElementsAre(true, true));
}

TEST_F(RemoteTest, AServerThatIsBusyAtTheSecondTryIsSaidToBeBusy) {
  answer = [&](const ServerRequest& request) {
    return json(request.body.find("logprobs") != std::string::npos ? 400 : 503, "{}");
  };
  EXPECT_THAT(
      [&] {
        (void)remote().chat({{"user", "q"}}, {.top_log_probs = 5});
      },
      fails(ErrorCode::Unavailable, "503"));
}

TEST_F(RemoteTest, OtherStatusesAreNotTriedAgain) {
  for (const int status : {401, 404, 413, 500, 504}) {
    int asked = 0;
    answer = [&](const ServerRequest&) {
      ++asked;
      return json(status, "{}");
    };
    EXPECT_THROW((void)remote().chat({{"user", "q"}}, {.top_log_probs = 5}), Error);
    EXPECT_EQ(asked, 1) << status;
  }
}

TEST_F(RemoteTest, KeepsTheUsersTextOutOfErrorsWhenTheServerRepeatsIt) {
  const std::string question = "Why does my \"left knee\"\nhurt so much every morning?";
  answer = [](const ServerRequest& request) {
    return ServerResponse{.status = 422,
                          .body = openai_error_body(ErrorCode::InvalidArgument,
                                                    "cannot take the input: " + request.body)};
  };
  const auto private_error = Throws<Error>(
      AllOf(Property(&Error::what, HasSubstr("status 422, it says: invalid_argument")),
            Property(&Error::what, Not(HasSubstr("knee")))));
  EXPECT_THAT([&] { (void)remote().chat({{"user", question}}, {}); }, private_error);
  EXPECT_THAT([&] { (void)remote().complete(question, {}); }, private_error);
  answer = [&](const ServerRequest& request) {
    return events({openai_error_body(ErrorCode::Unavailable, "broke at " + request.body)});
  };
  EXPECT_THAT(
      [&] {
        (void)remote().chat({{"user", question}}, {}, [](std::string_view) { return true; });
      },
      fails(ErrorCode::Unavailable, "ended with an error: unavailable"));
}

TEST_F(RemoteTest, DoesNotFollowARedirectWithTheKey) {
  answer = [](const ServerRequest&) {
    return ServerResponse{.status = 307, .headers = {{"Location", "http://evil.example/"}}};
  };
  EXPECT_THAT([&] { (void)chat(); }, fails(ErrorCode::Unavailable, "http://evil.example/"));
}

TEST_F(RemoteTest, GivesUpOnASlowServer) {
  answer = [](const ServerRequest& request) {
    while (!request.disconnected()) std::this_thread::yield();
    return json(200, "{}");
  };
  Remote slow({.url = server.url(), .model = "m", .key = kKey}, {60s, 100ms, 60s});
  EXPECT_THAT(
      [&] {
        (void)slow.chat({{"user", "q"}}, {});
      },
      fails(ErrorCode::Unavailable, "sent nothing for 100 ms"));
}

TEST_F(RemoteTest, SaysThatTheServerIsDown) {
  Remote down = remote();
  server.stop();
  EXPECT_THAT(
      [&] {
        (void)down.chat({{"user", "q"}}, {});
      },
      fails(ErrorCode::Unavailable, "refused the connection"));
}

TEST_F(RemoteTest, RefusesAnAnswerThatIsNotJson) {
  answer = [](const ServerRequest&) { return json(200, "<html>hello</html>"); };
  EXPECT_THAT([&] { (void)chat(); }, fails(ErrorCode::CorruptFile, "not a JSON object"));
  EXPECT_THAT([&] { (void)chat([](std::string_view) { return true; }); },
              fails(ErrorCode::CorruptFile, "not a JSON object"));
}

TEST_F(RemoteTest, NeverShowsAKeyWithALineEnd) {
  Remote bad({.url = server.url(), .model = "m", .key = std::string(kKey) + "\n"});
  EXPECT_THAT([&] { (void)bad.models(); }, fails(ErrorCode::InvalidArgument, "Authorization"));
}

}  // namespace
}  // namespace crayon
