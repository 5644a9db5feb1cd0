#include "crayon/session/answer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

#include "crayon/base/error.h"
#include "crayon/base/files.h"
#include "crayon/http/server.h"
#include "crayon/session/customize.h"
#include "crayon/session/evaluate.h"
#include "crayon/session/internal/test_world.h"
#include "crayon/testing/fake_engine.h"
#include "crayon/testing/random.h"

namespace crayon {
namespace {

using ::testing::HasSubstr;

/// A larger LLM on loopback that says `reply` to everything and counts.
class FakeServer {
 public:
  FakeServer() {
    http_.route("GET", "/v1/models", [](const ServerRequest&) {
      return ServerResponse{.body = R"({"data":[{"id":"big"}]})"};
    });
    http_.route("POST", "/v1/chat/completions", [this](const ServerRequest& request) {
      ++asked;
      const std::string text = R"({"role":"assistant","content":")" + reply + "\"}";
      if (request.body.find("\"stream\":true") == std::string::npos) {
        return ServerResponse{.body = R"({"model":"big","choices":[{"index":0,"message":)" + text +
                                      R"(,"logprobs":)" + log_probs +
                                      R"(,"finish_reason":"stop"}],"usage":{"prompt_tokens":5,)" +
                                      R"("completion_tokens":1,"total_tokens":6}})"};
      }
      ServerResponse stream;
      stream.stream = [text](const SendEvent& send) {
        send(R"({"model":"big","choices":[{"index":0,"delta":)" + text +
             R"(,"finish_reason":"stop"}]})");
        send("[DONE]");
      };
      return stream;
    });
    http_.start();
  }
  [[nodiscard]] Remote remote() const { return Remote({.url = http_.url(), .model = "big"}); }

  std::string reply = "B";
  std::string log_probs = "null";
  std::atomic<int> asked = 0;

 private:
  HttpServer http_{HttpServerOptions{}};
};

Example question(const std::string& text) {
  Example example;
  example.id = "q";
  example.question = text;
  example.choices = {"yes", "no", "maybe"};
  return example;
}

Example free_question(const std::string& text) {
  Example example;
  example.kind = ExampleKind::Messages;
  example.messages = {{"user", text}};
  return example;
}

class Answering : public ::testing::Test {
 protected:
  Answerer answerer(Remote* remote, RouteMode mode, const std::string& task = "base") {
    AnswererOptions options;
    options.router.mode = mode;
    return {*model_, *engine_, open_task(task), remote, options};
  }
  /// A customised task in a file; `change` may edit its info first.
  std::string task_file(const std::function<void(TaskInfo&)>& change = {}) {
    Pool pool = make_test_pool(folder_.path() / "pool", *model_, 4);
    auto report = customize(pool, *model_, *engine_, make_test_examples(8));
    if (change) change(*report.task.info);
    const auto file = folder_.path() / "task.gguf";
    write_atomically(file, task_to_gguf(report.task));
    return file.string();
  }

  TemporaryFolder folder_;
  std::shared_ptr<Model> model_ = make_fake_model({.d_model = kWidth});
  std::unique_ptr<Engine> engine_ = model_->open_engine({});
  FakeServer server_;
  Remote remote_ = server_.remote();
  Remote down_{{.url = "http://127.0.0.1:9", .model = "big"}};
};

TEST_F(Answering, TheDeviceAnswersWithItsHighestScore) {
  const Answer answer =
      answerer(nullptr, RouteMode::Never).answer(question("is it? * maybe *maybe"));
  EXPECT_EQ(answer.text, "maybe");
  EXPECT_EQ(answer.choice, 2);
  EXPECT_EQ(answer.side, Side::Device);
  EXPECT_EQ(answer.scores.size(), 3u);
  EXPECT_FALSE(answer.scope);
  EXPECT_GT(answer.confidence, 0);
  EXPECT_LT(answer.confidence, 1);
}

TEST_F(Answering, ATaskAddsScope) {
  const Answer answer =
      answerer(nullptr, RouteMode::Never, task_file()).answer(question("is this apple number 3"));
  ASSERT_TRUE(answer.scope);
  EXPECT_GT(*answer.scope, 0);
  EXPECT_LE(*answer.scope, 1);
}

TEST_F(Answering, AnEscalatedQuestionGetsTheServersChoice) {
  const Answer answer = answerer(&remote_, RouteMode::Always).answer(question("is it *yes"));
  EXPECT_EQ(answer.side, Side::Server);
  EXPECT_EQ(answer.text, "no");
  EXPECT_EQ(answer.choice, 1);
  EXPECT_EQ(answer.prompt_tokens, 5u);
  EXPECT_EQ(server_.asked, 1);
}

TEST_F(Answering, AReplyThatNamesNoChoiceIsReadByItsLettersLogProbs) {
  server_.reply = "Hm";
  server_.log_probs = R"({"content":[{"token":"Hm","logprob":-0.1,"top_logprobs":[
      {"token":"Hm","logprob":-0.1},{"token":" C","logprob":-3},{"token":"A","logprob":-5}]}]})";
  const Answer answer = answerer(&remote_, RouteMode::Always).answer(question("is it *yes"));
  EXPECT_EQ(answer.side, Side::Server);
  EXPECT_EQ(answer.choice, 2);
}

TEST_F(Answering, WithoutAServerNothingIsEverEscalated) {
  const Answer answer = answerer(nullptr, RouteMode::Always).answer(question("is it *yes"));
  EXPECT_EQ(answer.side, Side::Device);
  EXPECT_EQ(answer.text, "yes");
}

TEST_F(Answering, ALocalOnlyTaskNeverReachesTheServer) {
  const std::string task = task_file([](TaskInfo& info) { info.policy.local_only = true; });
  const Answer choice = answerer(&remote_, RouteMode::Always, task).answer(question("is it"));
  const Answer text = answerer(&remote_, RouteMode::Always, task).answer(free_question("tell"));
  EXPECT_EQ(choice.side, Side::Device);
  EXPECT_EQ(text.side, Side::Device);
  EXPECT_EQ(server_.asked, 0);
}

TEST_F(Answering, AServerThatIsDownCostsNoAnswerAndIsNamedInTheReason) {
  const Answer choice = answerer(&down_, RouteMode::Always).answer(question("is it *yes"));
  EXPECT_EQ(choice.side, Side::Device);
  EXPECT_EQ(choice.text, "yes");
  EXPECT_THAT(choice.reason, HasSubstr("server unavailable: "));
  const Answer text = answerer(&down_, RouteMode::Always).answer(free_question("say *one two"));
  EXPECT_EQ(text.side, Side::Device);
  EXPECT_THAT(text.text, HasSubstr("one two"));
  EXPECT_THAT(text.server_error, HasSubstr("127.0.0.1"));
}

TEST_F(Answering, AReplyThatNamesNoChoiceIsCountedAndTheDeviceAnswers) {
  server_.reply = "I would rather not say";
  const Answer answer = answerer(&remote_, RouteMode::Always).answer(question("is it *yes"));
  EXPECT_TRUE(answer.unparsed);
  EXPECT_EQ(answer.side, Side::Device);
  EXPECT_EQ(answer.text, "yes");
}

TEST_F(Answering, FreeTextIsSaidOnlyOnceTheDeviceIsToSpeak) {
  std::string said;
  const OnText listen = [&](std::string_view piece) {
    said += piece;
    return true;
  };
  const Answer device =
      answerer(nullptr, RouteMode::Never).answer(free_question("say *one two three"), listen);
  EXPECT_EQ(said, device.text);
  EXPECT_EQ(device.completion_tokens, 3u);

  said.clear();
  server_.reply = "from the server";
  const Answer server =
      answerer(&remote_, RouteMode::Always).answer(free_question("say *one two"), listen);
  EXPECT_EQ(server.side, Side::Server);
  EXPECT_EQ(said, "from the server");
  EXPECT_EQ(server.text, "from the server");
}

TEST_F(Answering, AHalfOfTheShareGoesToTheServer) {
  AnswererOptions options;
  options.router.mode = RouteMode::ServerShare;
  options.router.server_share = 0.5;
  Answerer answerer(*model_, *engine_, open_task("base"), &remote_, options);
  int escalated = 0;
  for (int k = 0; k < 40; ++k) {
    if (answerer.answer(question("what of " + std::to_string(k))).side == Side::Server) ++escalated;
  }
  EXPECT_NEAR(escalated, 20, 6);
  EXPECT_EQ(server_.asked, escalated);
}

/// Questions whose right choice the fake engine knows for the even ones only.
std::vector<Example> half_known(std::size_t n) {
  std::vector<Example> questions;
  for (std::size_t k = 0; k < n; ++k) {
    questions.push_back(question(k % 2 == 0 ? "it is *no" : "it is *yes"));
    questions.back().id = "q" + std::to_string(k);
    questions.back().answer = 1;
  }
  return questions;
}

TEST_F(Answering, EvaluateCountsEachSideAndTheMix) {
  EvaluateOptions options;
  options.router.server_share = 0.25;
  const auto questions = half_known(8);
  const Evaluation got =
      evaluate(*model_, *engine_, open_task("base"), questions, &remote_, options);
  EXPECT_EQ(got.n, 8u);
  EXPECT_EQ(got.base.accuracy, 0.5);
  EXPECT_EQ(got.blended.accuracy, 0.5);
  EXPECT_EQ(got.server->accuracy, 1);
  EXPECT_EQ(got.server_share, 0.25);
  double right = 0;
  for (const QuestionDetail& detail : got.details) {
    right += *detail.side == Side::Server ? detail.server->right : detail.blended.right;
  }
  EXPECT_EQ(got.mix->accuracy, right / 8);
  EXPECT_EQ(server_.asked, 8);
}

TEST_F(Answering, EvaluatePutsOnlyASampleToTheServer) {
  server_.reply = "dunno";
  EvaluateOptions options;
  options.server_limit = 3;
  const auto questions = half_known(10);
  const Evaluation got =
      evaluate(*model_, *engine_, open_task("base"), questions, &remote_, options);
  EXPECT_EQ(got.server->n, 3u);
  EXPECT_EQ(got.mix->n, 3u);
  EXPECT_EQ(got.unparsed, 3u);
  EXPECT_EQ(got.server->accuracy, 0);
  EXPECT_EQ(server_.asked, 3);
}

TEST_F(Answering, EvaluateComparesFreeTextAfterNormalising) {
  std::vector<Example> questions(2, free_question("say *The Answer\n"));
  questions[0].messages.push_back({"assistant", "answer."});
  questions[1].messages.push_back({"assistant", "something else"});
  const Evaluation got = evaluate(*model_, *engine_, open_task("base"), questions);
  EXPECT_EQ(got.base.accuracy, 0.5);
  EXPECT_FALSE(got.server);
}

TEST_F(Answering, EvaluateNeedsALabelForEachQuestion) {
  auto questions = half_known(2);
  questions[1].answer.reset();
  try {
    (void)evaluate(*model_, *engine_, open_task("base"), questions);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::InvalidArgument);
    EXPECT_THAT(error.what(), HasSubstr("'q1'"));
  }
}

}  // namespace
}  // namespace crayon
