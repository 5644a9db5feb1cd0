#include "crayon/session/answer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

#include "crayon/base/interrupt.h"
#include "crayon/gate/choice_probe.h"
#include "crayon/gate/scope.h"
#include "crayon/session/internal/test_world.h"
#include "crayon/session/scoring.h"
#include "crayon/testing/fake_engine.h"
#include "crayon/testing/random.h"

namespace crayon {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Property;
using ::testing::Throws;

class Answering : public ::testing::Test {
 protected:
  void TearDown() override { set_interrupted(false); }

  Answerer answerer(Remote* remote, RouteMode mode, const std::string& task = "base") {
    AnswererOptions options;
    options.router.mode = mode;
    return {*model_, *engine_, open_task(task), remote, options};
  }
  std::string task_file(const std::function<void(TaskInfo&)>& change = {}) {
    return write_test_task(folder_.path(), *model_, change);
  }
  /// Hears what is said.
  OnText listen() {
    return [this](std::string_view piece) {
      said_ += piece;
      return !interrupted();
    };
  }

  std::atomic<int> embedded_ = 0;  ///< Prompts that got a pass of their own.
  TemporaryFolder folder_;
  std::shared_ptr<Model> model_ = make_fake_model({.d_model = kWidth, .embedded = &embedded_});
  std::unique_ptr<Engine> engine_ = model_->open_engine({});
  FakeServer server_;
  Remote remote_ = server_.remote();
  Remote down_{{.url = "http://127.0.0.1:9", .model = "big"}};
  std::string said_;
};

TEST_F(Answering, PastDecisionsKnowWhatWasGuessedAndWhatWasWritten) {
  const std::string file = task_file(
      [](TaskInfo& info) { info.calibration = {.slope = 1, .intercept = 0, .guess = 0.5}; });
  const TaskOnDevice task(*model_, open_task(file));
  DecisionRecord choice;
  choice.reason = "confident";
  choice.choices = true;
  choice.margin = 0.5;
  DecisionRecord text = choice;
  text.choices = false;
  const auto past = past_decisions(std::vector{choice, text}, task, Router(RouterOptions{}));
  ASSERT_EQ(past.size(), 2u);
  EXPECT_NEAR(past[0].score, 0.75, 1e-9);
  EXPECT_NEAR(past[1].score, 0.5, 1e-9);
  EXPECT_TRUE(TaskOnDevice::raw_text_signals({}).free_text);
}

TEST_F(Answering, TheDeviceAnswersWithItsHighestScore) {
  const Answer answer =
      answerer(nullptr, RouteMode::Never).answer(make_question("is it? * maybe *maybe"));
  EXPECT_EQ(answer.text, "maybe");
  EXPECT_EQ(answer.choice, 2);
  EXPECT_EQ(answer.side, Side::Device);
  EXPECT_EQ(answer.scores.size(), 3u);
  EXPECT_FALSE(answer.scope);
  EXPECT_GT(answer.confidence, 0);
  EXPECT_LT(answer.confidence, 1);
}

TEST_F(Answering, ATaskAddsScope) {
  const Answer answer = answerer(nullptr, RouteMode::Never, task_file())
                            .answer(make_question("is this apple number 3"));
  ASSERT_TRUE(answer.scope);
  EXPECT_GT(*answer.scope, 0);
  EXPECT_LE(*answer.scope, 1);
  EXPECT_EQ(answer.scope_examples_needed, 20u) << "8 examples cannot reach the level 0.05";
}

TEST_F(Answering, TheScopeOfFreeTextFallsOutOfThePassThatAnswers) {
  const std::string file = task_file();
  const OpenTask task = open_task(file);
  const Example question = make_free_question("is this apple number *3 or 4");
  const RenderedPrompt prompt = TaskOnDevice(*model_, task).prompt(question);
  const Matrix hidden = engine_->embed(std::span(&prompt, 1), task.info->embedding);
  const Scope scope(task.info->scope_examples, task.info->scope);
  const double apart = scope.p_value(whiten(task.info->whitening, hidden.row(0)));
  embedded_ = 0;
  for (Remote* remote : {static_cast<Remote*>(nullptr), &remote_}) {
    const Answer answer = answerer(remote, RouteMode::ServerShare, file).answer(question);
    EXPECT_EQ(answer.scope, apart);
    EXPECT_EQ(embedded_, 0) << "no pass of its own";
  }
}

TEST_F(Answering, WhereATaskHasNoScopeNothingIsReadForIt) {
  const TaskOnDevice base(*model_, open_task("base"));
  EXPECT_FALSE(base.telling_scope({}, [](double) {}).on_hidden);
  const Answer answer = answerer(nullptr, RouteMode::Never).answer(make_free_question("say *a"));
  EXPECT_FALSE(answer.scope);
}

TEST_F(Answering, AChoiceProbeReadsTheChoicesStates) {
  model_ = make_fake_model({.d_model = kWidth, .states = true});
  engine_ = model_->open_engine({});
  const auto without = [](TaskInfo& info) { info.head = {}; };
  const Example question = make_question("is it *yes");
  const std::vector<float> plain =
      answerer(nullptr, RouteMode::Never, task_file(without)).answer(question).scores;
  const TaskOnDevice task(*model_, open_task(task_file(without)));
  const ScoreRequest request{.prompt = task.prompt(question), .states = true};
  const Matrix states = states_of(engine_->score(request, {}));
  const auto row = states.row(2);  // towards "maybe"
  const std::vector<float> direction(row.begin(), row.end());
  const Answer answer = answerer(nullptr, RouteMode::Never, task_file([&](TaskInfo& info) {
                                   info.head = {};
                                   info.head.choice_probe = direction;
                                 }))
                            .answer(question);
  EXPECT_EQ(answer.text, "maybe");
  const std::vector<float> gains = apply_choice_probe(direction, states);
  for (std::size_t c = 0; c < 3; ++c) EXPECT_NEAR(answer.scores[c], plain[c] + gains[c], 1e-5);
  EXPECT_NEAR(answer.raw.top, choice_signals(answer.scores).top, 1e-6) << "what the router sees";
}

TEST_F(Answering, AnEscalatedQuestionGetsTheServersChoice) {
  const Answer answer = answerer(&remote_, RouteMode::Always).answer(make_question("is it *yes"));
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
  const Answer answer = answerer(&remote_, RouteMode::Always).answer(make_question("is it *yes"));
  EXPECT_EQ(answer.side, Side::Server);
  EXPECT_EQ(answer.choice, 2);
}

TEST_F(Answering, WithoutAServerNothingIsEverEscalated) {
  const Answer answer = answerer(nullptr, RouteMode::Always).answer(make_question("is it *yes"));
  EXPECT_EQ(answer.side, Side::Device);
  EXPECT_EQ(answer.text, "yes");
}

TEST_F(Answering, ALocalOnlyTaskNeverReachesTheServer) {
  const std::string task = task_file([](TaskInfo& info) { info.policy.local_only = true; });
  const Answer choice = answerer(&remote_, RouteMode::Always, task).answer(make_question("is it"));
  const Answer text =
      answerer(&remote_, RouteMode::Always, task).answer(make_free_question("tell"));
  EXPECT_EQ(choice.side, Side::Device);
  EXPECT_EQ(text.side, Side::Device);
  EXPECT_EQ(server_.asked, 0);
}

TEST_F(Answering, AServerThatIsDownCostsNoAnswerAndIsNamedInTheReason) {
  const Answer choice = answerer(&down_, RouteMode::Always).answer(make_question("is it *yes"));
  EXPECT_EQ(choice.side, Side::Device);
  EXPECT_EQ(choice.text, "yes");
  EXPECT_THAT(choice.reason, HasSubstr("server unavailable: "));
  const Answer text =
      answerer(&down_, RouteMode::Always).answer(make_free_question("say *one two"));
  EXPECT_EQ(text.side, Side::Device);
  EXPECT_THAT(text.text, HasSubstr("one two"));
  EXPECT_THAT(text.server_error, HasSubstr("127.0.0.1"));
}

TEST_F(Answering, LocalOnlyKeepsACallOnTheDeviceWhateverTaskAndModeSay) {
  AnswererOptions options;
  options.router.mode = RouteMode::Always;
  options.local_only = true;
  Answerer answerer(*model_, *engine_, open_task("base"), &remote_, options);
  const Answer choice = answerer.answer(make_question("is it *yes"));
  const Answer text = answerer.answer(make_free_question("say *one two"));
  EXPECT_EQ(choice.reason, "local only");
  EXPECT_EQ(text.reason, "local only");
  EXPECT_EQ(text.side, Side::Device);
  EXPECT_EQ(server_.called, 0);
}

/// A server that fails in some way, and what is then said of it.
struct BadServer {
  FakeServer::Mode mode;
  const char* reason;
};

TEST_F(Answering, ASlowServerAndAWrongKeyAreNamedAndTheDeviceAnswers) {
  const BadServer bad[] = {{FakeServer::Mode::Slow, "ms in all"},
                           {FakeServer::Mode::WrongKey, "key"}};
  for (const auto& [mode, reason] : bad) {
    const FakeServer server(mode);
    Remote remote = server.remote(std::chrono::milliseconds(300));
    const Answer choice = answerer(&remote, RouteMode::Always).answer(make_question("is it *yes"));
    EXPECT_EQ(choice.side, Side::Device);
    EXPECT_EQ(choice.text, "yes");
    EXPECT_THAT(choice.reason, AllOf(HasSubstr("server unavailable: "), HasSubstr(reason)));
    said_.clear();
    const Answer text =
        answerer(&remote, RouteMode::Always).answer(make_free_question("say *one two"), listen());
    EXPECT_EQ(text.side, Side::Device);
    EXPECT_THAT(text.server_error, HasSubstr(reason));
    EXPECT_EQ(said_, text.text) << "nothing of the server's was said, so nothing is taken back";
  }
}

TEST_F(Answering, AStreamThatBreaksOffIsAnErrorAndNobodyGoesOnWithIt) {
  FakeServer server(FakeServer::Mode::Broken);
  server.reply = "half of";
  Remote remote = server.remote();
  std::vector<DecisionRecord> log;
  AnswererOptions options;
  options.router.mode = RouteMode::Always;
  options.on_decision = [&](const DecisionRecord& record) { log.push_back(record); };
  Answerer answerer(*model_, *engine_, open_task("base"), &remote, options);
  const Example question = make_free_question("say *one two");
  EXPECT_THAT([&] { (void)answerer.answer(question, listen()); },
              Throws<Error>(AllOf(Property(&Error::code, ErrorCode::Unavailable),
                                  Property(&Error::what, HasSubstr("broke off after 7 bytes")),
                                  Property(&Error::what, HasSubstr("not the whole answer")))));
  EXPECT_EQ(said_, "half of") << "and nothing of the device's";
  ASSERT_EQ(log.size(), 1u);
  EXPECT_TRUE(log[0].server);
  EXPECT_EQ(log[0].reason, "server broke off");
  EXPECT_GT(log[0].money, 0) << "it may have done all the work";
  EXPECT_GT(log[0].seconds, 0);
}

TEST_F(Answering, AServerThatFailsBeforeAnyTextWasShownLeavesTheAnswerToTheDevice) {
  FakeServer server(FakeServer::Mode::Broken);
  server.reply = "half of";
  server.log_probs = "nonsense";  // so what is not streamed goes wrong too
  Remote remote = server.remote();
  const Answer text =
      answerer(&remote, RouteMode::Always).answer(make_free_question("say *one two"));
  EXPECT_EQ(text.side, Side::Device);
  EXPECT_EQ(text.text, " one two</user>");
  EXPECT_GT(text.money, 0);
}

TEST_F(Answering, CtrlCInAStreamOfTheServerIsNoAnswer) {
  server_.reply = "a long answer";
  Answerer answerer = this->answerer(&remote_, RouteMode::Always);
  const OnText stop = [](std::string_view) {
    set_interrupted(true);
    return false;
  };
  EXPECT_THROW((void)answerer.answer(make_free_question("say *one"), stop), Interrupted);
}

TEST_F(Answering, ACompletionEndsWithItsLineOnBothSides) {
  Example line;
  line.kind = ExampleKind::Completion;
  line.prompt = "Capital: *Paris";
  server_.reply = "\\nParis\\nand more";
  const Answer whole = answerer(&remote_, RouteMode::Always).answer(line);
  EXPECT_EQ(whole.text, "\nParis");
  const Answer streamed = answerer(&remote_, RouteMode::Always).answer(line, listen());
  EXPECT_EQ(streamed.side, Side::Server);
  EXPECT_EQ(streamed.text, "\nParis");
  EXPECT_EQ(said_, "\nParis");
  EXPECT_EQ(free_answer(line).stop, std::vector<std::string>{"\n"});
  EXPECT_TRUE(free_answer(make_free_question("hi")).stop.empty());
}

TEST_F(Answering, WhereNothingCanEscalateTheFirstWordIsSaidAtOnce) {
  std::vector<std::string> pieces;
  const OnText first_only = [&](std::string_view piece) {
    pieces.emplace_back(piece);
    return false;
  };
  const std::string task = task_file();
  const Answer answer =
      answerer(nullptr, RouteMode::Always, task).answer(make_free_question("say *a b"), first_only);
  EXPECT_EQ(pieces, std::vector<std::string>{" a"});
  EXPECT_EQ(answer.completion_tokens, 1u);
  EXPECT_TRUE(answer.scope);
  pieces.clear();
  (void)answerer(&remote_, RouteMode::ServerShare, task)
      .answer(make_free_question("say *a b"), first_only);
  EXPECT_EQ(pieces, std::vector<std::string>{" a b</user>"})
      << "held back where the server may speak";
}

TEST_F(Answering, AReplyThatNamesNoChoiceIsCountedAndTheDeviceAnswers) {
  server_.reply = "I would rather not say";
  const Answer answer = answerer(&remote_, RouteMode::Always).answer(make_question("is it *yes"));
  EXPECT_TRUE(answer.unparsed);
  EXPECT_EQ(answer.side, Side::Device);
  EXPECT_EQ(answer.text, "yes");
}

TEST_F(Answering, FreeTextIsSaidOnlyOnceTheDeviceIsToSpeak) {
  const Answer device = answerer(nullptr, RouteMode::Never)
                            .answer(make_free_question("say *one two three"), listen());
  EXPECT_EQ(said_, device.text);
  EXPECT_EQ(device.completion_tokens, 3u);

  said_.clear();
  server_.reply = "from the server";
  const Answer server =
      answerer(&remote_, RouteMode::Always).answer(make_free_question("say *one two"), listen());
  EXPECT_EQ(server.side, Side::Server);
  EXPECT_EQ(said_, "from the server");
  EXPECT_EQ(server.text, "from the server");
}

TEST_F(Answering, AHalfOfTheShareGoesToTheServer) {
  AnswererOptions options;
  options.router.mode = RouteMode::ServerShare;
  options.router.server_share = 0.5;
  Answerer answerer(*model_, *engine_, open_task("base"), &remote_, options);
  int escalated = 0;
  for (int k = 0; k < 40; ++k) {
    if (answerer.answer(make_question("what of " + std::to_string(k))).side == Side::Server)
      ++escalated;
  }
  EXPECT_NEAR(escalated, 20, 6);
  EXPECT_EQ(server_.asked, escalated);
}

}  // namespace
}  // namespace crayon
