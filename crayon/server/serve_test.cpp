#include "crayon/server/serve.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <future>
#include <nlohmann/json.hpp>
#include <semaphore>
#include <thread>

#include "crayon/http/client.h"
#include "crayon/server/internal/scripted_model_for_tests.h"

namespace crayon {
namespace {

using Json = nlohmann::json;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::Property;
using testing::SizeIs;
using testing::StartsWith;
using testing::Throws;

const std::string kChat =
    R"({"messages":[{"role":"user","content":"q"}])";  // open: more fields follow
const std::string kPlain = R"({"prompt":"p")";
constexpr const char* kChatPath = "/v1/chat/completions";
constexpr const char* kPlainPath = "/v1/completions";

class ApiServerTest : public testing::Test {
 protected:
  void start(ServeOptions options = {}) {
    options.port = 0;
    options.model_name = "crayon:test";
    options.engine.context_tokens = 64;
    server = std::make_unique<ApiServer>(std::make_shared<ScriptedModel>(script), options);
    server->start();
  }
  HttpResponse post(const std::string& path, const std::string& body) {
    return HttpClient(server->url()).send({.method = "POST", .path = path, .body = body});
  }
  Json answer(const std::string& path, const std::string& body) {
    const auto response = post(path, body);
    EXPECT_EQ(response.status, 200) << response.body;
    return Json::parse(response.body);
  }
  // Sends a request on a bare socket and returns that: closing it is hanging up.
  int ask_raw(const std::string& path, const std::string& body) {
    const auto url = server->url();
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(std::stoi(url.substr(url.rfind(':') + 1))));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    EXPECT_EQ(connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
    const auto text = "POST " + path +
                      " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" +
                      "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
    EXPECT_EQ(send(fd, text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
    return fd;
  }
  // The data of a stream's events, "[DONE]" left out; it must be the last one.
  std::vector<Json> stream(const std::string& path, const std::string& body) {
    std::vector<std::string> data;
    SseParser().feed(post(path, body).body, [&](std::string_view event) {
      data.emplace_back(event);
      return true;
    });
    EXPECT_FALSE(data.empty());
    EXPECT_EQ(data.back(), "[DONE]");
    data.pop_back();
    std::vector<Json> chunks;
    for (const auto& event : data) chunks.push_back(Json::parse(event));
    return chunks;
  }

  std::shared_ptr<Script> script = std::make_shared<Script>();
  std::unique_ptr<ApiServer> server;
};

TEST_F(ApiServerTest, AnswersAChatAsTheApiDoes) {
  start();
  const auto body = answer(kChatPath, kChat + R"(,"model":"crayon:test"})");
  EXPECT_EQ(body["object"], "chat.completion");
  EXPECT_THAT(body["id"].get<std::string>(), StartsWith("chatcmpl-"));
  EXPECT_EQ(body["model"], "crayon:test");
  EXPECT_GT(body["created"], 1'600'000'000);
  EXPECT_EQ(body["choices"], Json::parse(R"([{"index":0,"message":{"role":"assistant",
      "content":"Hello world"},"logprobs":null,"finish_reason":"stop"}])"));
  EXPECT_EQ(body["usage"],
            Json::parse(R"({"prompt_tokens":7,"completion_tokens":3,"total_tokens":10})"));
  EXPECT_EQ(script->calls.at(0).prompt, "user:q|");
  EXPECT_EQ(script->calls.at(0).options.max_tokens, 64) << "a chat may fill the context";
}

TEST_F(ApiServerTest, AnswersACompletionAndPassesItsOptionsOn) {
  start();
  const auto body = answer(kPlainPath, kPlain + R"(,"max_tokens":2,"temperature":0.5,"top_p":0.25,
      "seed":11,"stop":"x"})");
  EXPECT_EQ(body["object"], "text_completion");
  EXPECT_EQ(body["choices"][0]["text"], "Hello");
  EXPECT_EQ(body["choices"][0]["finish_reason"], "length");
  const auto& options = script->calls.at(0).options;
  EXPECT_EQ(options.temperature, 0.5f);
  EXPECT_EQ(options.top_p, 0.25f);
  EXPECT_EQ(options.seed, 11u);
  EXPECT_THAT(options.stop, ElementsAre("x"));
  answer(kPlainPath, kPlain + "}");
  EXPECT_EQ(script->calls.at(1).options.max_tokens, 16);
}

TEST_F(ApiServerTest, StreamsRolePiecesReasonAndUsageInOrder) {
  start();
  const auto chunks =
      stream(kChatPath, kChat + R"(,"stream":true,"stream_options":{"include_usage":true}})");
  ASSERT_THAT(chunks, SizeIs(6));
  for (const auto& chunk : chunks) {
    EXPECT_EQ(chunk["object"], "chat.completion.chunk");
    EXPECT_EQ(chunk["id"], chunks[0]["id"]);
  }
  EXPECT_EQ(chunks[0]["choices"][0]["delta"], Json::parse(R"({"role":"assistant","content":""})"));
  EXPECT_EQ(chunks[1]["choices"][0]["delta"], Json::parse(R"({"content":"Hel"})"));
  EXPECT_EQ(chunks[3]["choices"][0]["delta"]["content"], " world");
  EXPECT_EQ(chunks[3]["choices"][0]["finish_reason"], nullptr);
  EXPECT_EQ(chunks[4]["choices"][0]["delta"], Json::object());
  EXPECT_EQ(chunks[4]["choices"][0]["finish_reason"], "stop");
  EXPECT_EQ(chunks[5]["choices"], Json::array());
  EXPECT_EQ(chunks[5]["usage"]["completion_tokens"], 3);
}

TEST_F(ApiServerTest, StreamsACompletionWithoutRoleAndUsage) {
  script->pieces = {"a", "", "b"};  // the second token is the first half of a character
  start();
  const auto chunks = stream(kPlainPath, kPlain + R"(,"stream":true})");
  ASSERT_THAT(chunks, SizeIs(3));
  EXPECT_EQ(chunks[0]["choices"][0]["text"], "a");
  EXPECT_EQ(chunks[1]["choices"][0]["text"], "b");
  EXPECT_EQ(chunks[2]["choices"][0]["finish_reason"], "stop");
  EXPECT_FALSE(chunks[2].contains("usage"));
}

TEST_F(ApiServerTest, GivesChatLogProbs) {
  start();
  const std::string asked = kChat + R"(,"logprobs":true,"top_logprobs":2)";
  const auto whole = answer(kChatPath, asked + "}");
  const auto& content = whole["choices"][0]["logprobs"]["content"];
  ASSERT_THAT(content, SizeIs(3));
  EXPECT_EQ(content[1],
            Json::parse(R"({"token":"lo","logprob":-1.0,"bytes":[108,111],"top_logprobs":[
      {"token":"lo","logprob":-1.0,"bytes":[108,111]},
      {"token":"rival1","logprob":-2.0,"bytes":[114,105,118,97,108,49]}]})"));
  const auto chunks = stream(kChatPath, asked + R"(,"stream":true})");
  EXPECT_EQ(chunks[2]["choices"][0]["logprobs"]["content"][0], content[1]);
}

TEST_F(ApiServerTest, GivesLegacyLogProbsWithOffsets) {
  start();
  const auto whole = answer(kPlainPath, kPlain + R"(,"logprobs":1})");
  EXPECT_EQ(whole["choices"][0]["logprobs"],
            Json::parse(R"({"tokens":["Hel","lo"," world"],"token_logprobs":[-0.5,-1.0,-1.5],
                "top_logprobs":[{"Hel":-0.5},{"lo":-1.0},{" world":-1.5}],"text_offset":[0,3,5]})"));
  const auto chunks = stream(kPlainPath, kPlain + R"(,"logprobs":0,"stream":true})");
  EXPECT_EQ(
      chunks[2]["choices"][0]["logprobs"],
      Json::parse(
          R"({"tokens":[" world"],"token_logprobs":[-1.5],"top_logprobs":[{}],"text_offset":[5]})"));
}

TEST_F(ApiServerTest, GuidedChoiceTakesTheBestMeanLogProb) {
  script->scores = {{"no", {-2, 1}}, {"surely yes", {-3, 3}}, {"maybe", {-1.5f, 1}}};
  start();
  for (const auto& [path, head] : {std::pair(kChatPath, kChat), std::pair(kPlainPath, kPlain)}) {
    const std::string asked = head + R"(,"guided_choice":["no","surely yes","maybe"])";
    const auto whole = answer(path, asked + "}");
    const auto& choice = whole["choices"][0];
    EXPECT_EQ(choice.contains("text") ? choice["text"] : choice["message"]["content"],
              "surely yes");
    EXPECT_EQ(choice["finish_reason"], "stop");
    EXPECT_EQ(whole["usage"]["completion_tokens"], 3);
    std::string streamed;
    for (const auto& chunk : stream(path, asked + R"(,"stream":true})")) {
      const auto& part = chunk["choices"][0];
      const auto& holder = part.contains("text") ? part : part["delta"];
      streamed += holder.value(part.contains("text") ? "text" : "content", "");
    }
    EXPECT_EQ(streamed, "surely yes");
  }
}

TEST_F(ApiServerTest, GuidedChoiceTakesTheFirstOfEqualOnes) {
  start();
  const auto body = answer(kPlainPath, kPlain + R"(,"guided_choice":["b","a"]})");
  EXPECT_EQ(body["choices"][0]["text"], "b");
}

TEST_F(ApiServerTest, NamesTheModelItServes) {
  start();
  const HttpClient client(server->url());
  EXPECT_EQ(Json::parse(client.send({.path = "/v1/models"}).body)["data"][0]["id"], "crayon:test");
  const auto unknown = post(kChatPath, kChat + R"(,"model":"gpt"})");
  EXPECT_EQ(unknown.status, 404);
  EXPECT_THAT(unknown.body, HasSubstr("expected 'crayon:test'"));
}

TEST_F(ApiServerTest, RefusesBeforeTheFirstByteAlsoWhenStreaming) {
  start();
  EXPECT_EQ(post(kChatPath, kChat + R"(,"n":2})").status, 400);
  const auto long_prompt = post(kPlainPath, R"({"prompt":"too long","stream":true})");
  EXPECT_EQ(long_prompt.status, 400);
  EXPECT_THAT(long_prompt.body, HasSubstr("9 tokens, the context 8"));
}

TEST_F(ApiServerTest, EndsAStreamWithAnErrorEventWhenTheEngineFails) {
  script->before_token = [](std::size_t i) {
    if (i == 1) throw Error(ErrorCode::Unavailable, "out of memory");
  };
  start();
  const auto body = post(kChatPath, kChat + R"(,"stream":true})").body;
  EXPECT_THAT(body, AllOf(HasSubstr("Hel"), HasSubstr("out of memory"), Not(HasSubstr("[DONE]"))));
}

TEST_F(ApiServerTest, AnswersHealthWithoutTheKeyAndNothingElse) {
  start({.key = "secret"});
  const HttpClient client(server->url());
  EXPECT_EQ(client.send({.path = "/health"}).status, 200);
  EXPECT_EQ(client.send({.path = "/v1/models"}).status, 401);
  EXPECT_EQ(
      client.send({.path = "/v1/models", .headers = {{"Authorization", "Bearer secret"}}}).status,
      200);
}

TEST_F(ApiServerTest, RefusesARebindingHost) {
  start();
  const HttpClient client(server->url());
  EXPECT_EQ(client.send({.path = "/v1/models", .headers = {{"Host", "evil.example"}}}).status, 403);
}

TEST_F(ApiServerTest, SetsTheAdapterOnItsEngine) {
  start({.adapter = "task.gguf"});
  EXPECT_EQ(script->adapter, "task.gguf");
}

TEST(ApiServerOptions, AreCheckedBeforeAnythingListens) {
  const auto model = std::make_shared<ScriptedModel>(std::make_shared<Script>());
  const auto invalid = Throws<Error>(Property(&Error::code, ErrorCode::InvalidArgument));
  EXPECT_THAT([&] { ApiServer(model, {.host = "0.0.0.0", .model_name = "m"}); }, invalid);
  EXPECT_THAT([&] { ApiServer(model, {.model_name = ""}); }, invalid);
  EXPECT_THAT([&] { ApiServer(model, {.port = 70000, .model_name = "m"}); }, invalid);
  EXPECT_THAT([&] { ApiServer(model, {.model_name = "m", .queue = 0}); }, invalid);
  EXPECT_THAT([&] { check_access({.host = "0.0.0.0"}); }, invalid);
  EXPECT_NO_THROW(check_access({.host = "0.0.0.0", .key = "k"}));
}

TEST_F(ApiServerTest, AnswersBusyWhenTheQueueIsFull) {
  std::binary_semaphore running(0), go_on(0);
  script->pieces = {"x"};
  script->before_token = [&](std::size_t) {
    running.release();
    go_on.acquire();
  };
  start({.queue = 1});
  const auto ask = [&] { return post(kPlainPath, kPlain + "}").status; };
  auto first = std::async(std::launch::async, ask);
  running.acquire();
  // One of the two waits, the other one finds the queue full: it alone can end before go_on.
  auto second = std::async(std::launch::async, ask);
  auto third = std::async(std::launch::async, ask);
  const auto ended = [](const std::future<int>& f) {
    return f.wait_for(std::chrono::milliseconds(1)) == std::future_status::ready;
  };
  while (!ended(second) && !ended(third)) continue;
  auto& refused = ended(second) ? second : third;
  auto& waiting = &refused == &second ? third : second;
  EXPECT_EQ(refused.get(), 503);
  go_on.release();
  EXPECT_EQ(first.get(), 200);
  running.acquire();
  go_on.release();
  EXPECT_EQ(waiting.get(), 200);
}

// Hangs up after the first piece.
TEST_F(ApiServerTest, StopsWritingWhenTheClientHasGone) {
  script->endless = true;
  start();
  (void)HttpClient(server->url())
      .send({.method = "POST", .path = kPlainPath, .body = kPlain + R"(,"stream":true})"},
            [](std::string_view) { return false; });
  server->stop();
  server.reset();  // ends the engine's thread: the call is written down
  ASSERT_THAT(script->calls, SizeIs(1));
  EXPECT_EQ(script->calls[0].finish, FinishReason::Cancelled);
}

TEST_F(ApiServerTest, StopsWritingForAClientThatWaitsForTheWholeAnswer) {
  std::promise<void> begun;
  script->endless = true;
  script->before_token = [&](std::size_t i) {
    if (i == 0) begun.set_value();
  };
  start();
  const int fd = ask_raw(kPlainPath, kPlain + "}");
  begun.get_future().wait();
  close(fd);
  // The engine is free again, or this would wait for ever.
  EXPECT_EQ(post(kPlainPath, kPlain + R"(,"guided_choice":["a"]})").status, 200);
}

TEST_F(ApiServerTest, StopEndsARunningAnswer) {
  std::promise<void> begun;
  script->endless = true;
  script->before_token = [&](std::size_t i) {
    if (i == 0) begun.set_value();
  };
  start();
  auto status =
      std::async(std::launch::async, [&] { return post(kPlainPath, kPlain + "}").status; });
  begun.get_future().wait();
  server->stop();
  EXPECT_EQ(status.get(), 503);
}

}  // namespace
}  // namespace crayon
