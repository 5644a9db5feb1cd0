#include "crayon/session/evaluate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "crayon/base/error.h"
#include "crayon/session/answer.h"
#include "crayon/session/internal/test_world.h"
#include "crayon/testing/fake_engine.h"
#include "crayon/testing/odd_checks.h"
#include "crayon/testing/random.h"

namespace crayon {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Property;
using ::testing::Throws;

class Evaluating : public ::testing::Test {
 protected:
  Evaluation run(std::span<const Example> questions, Remote* remote = nullptr,
                 const EvaluateOptions& options = {}, const std::string& task = "base") {
    return evaluate(*model_, *engine_, open_task(task), questions, remote, options,
                    [this](const StepProgress&) { ++steps_; });
  }

  TemporaryFolder folder_;
  std::shared_ptr<Model> model_ = make_fake_model({.d_model = kWidth});
  std::unique_ptr<Engine> engine_ = model_->open_engine({});
  FakeServer server_;
  Remote remote_ = server_.remote();
  int steps_ = 0;  ///< Questions answered by any side.
};

/// Questions whose right choice the fake engine knows for the even ones only.
std::vector<Example> half_known(std::size_t n) {
  std::vector<Example> questions;
  for (std::size_t k = 0; k < n; ++k) {
    questions.push_back(make_question(k % 2 == 0 ? "it is *no" : "it is *yes"));
    questions.back().id = "q" + std::to_string(k);
    questions.back().answer = 1;
  }
  return questions;
}

TEST_F(Evaluating, CountsEachSideAndTheMix) {
  EvaluateOptions options;
  options.router.server_share = 0.25;
  const auto questions = half_known(8);
  const Evaluation got = run(questions, &remote_, options);
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

TEST_F(Evaluating, PutsOnlyASampleToTheServer) {
  server_.reply = "dunno";
  EvaluateOptions options;
  options.server_limit = 3;
  const auto questions = half_known(10);
  const Evaluation got = run(questions, &remote_, options);
  EXPECT_EQ(got.server->n, 3u);
  EXPECT_EQ(got.mix->n, 3u);
  EXPECT_EQ(got.unparsed, 3u);
  EXPECT_EQ(got.server->accuracy, 0);
  EXPECT_EQ(server_.asked, 3);
}

TEST_F(Evaluating, ComparesFreeTextAfterNormalising) {
  std::vector<Example> questions(2, make_free_question("say *The Answer\n"));
  questions[0].messages.push_back({"assistant", "answer."});
  questions[1].messages.push_back({"assistant", "something else"});
  const Evaluation got = run(questions);
  EXPECT_EQ(got.base.accuracy, 0.5);
  EXPECT_FALSE(got.server);
}

TEST_F(Evaluating, NeedsALabelForEachQuestion) {
  auto questions = half_known(2);
  questions[1].answer.reset();
  try {
    (void)run(questions);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::InvalidArgument);
    EXPECT_THAT(error.what(), HasSubstr("'q1'"));
  }
}

/// A completion whose answer the fake engine knows.
Example line_question(const std::string& answer) {
  Example line;
  line.kind = ExampleKind::Completion;
  line.id = "line";
  line.prompt = "Capital: *" + answer;
  line.completion = answer;
  return line;
}

TEST_F(Evaluating, QuestionsOfATaskThatStaysLocalAreRefusedBeforeAnythingIsSent) {
  for (const bool local : {true, false}) {
    const std::string task =
        write_test_task(folder_.path() / (local ? "a" : "b"), *model_, [&](TaskInfo& info) {
          info.policy.local_only = local;
          info.policy.server_allowed = local;
        });
    EXPECT_THAT([&] { (void)run(half_known(4), &remote_, {}, task); },
                Throws<Error>(AllOf(Property(&Error::code, ErrorCode::InvalidArgument),
                                    Property(&Error::what, HasSubstr("'task' is local only")))));
    EXPECT_EQ(server_.called, 0);
    EXPECT_EQ(steps_, 0);
    EXPECT_EQ(run(half_known(4), nullptr, {}, task).n, 4u);
    steps_ = 0;
  }
}

TEST_F(Evaluating, AServerThatIsNotThereIsNoticedBeforeTheDeviceWorks) {
  Remote down({.url = "http://127.0.0.1:9", .model = "big"});
  const FakeServer strict(FakeServer::Mode::WrongKey);
  Remote refused = strict.remote();
  for (Remote* remote : {&down, &refused}) {
    EXPECT_THAT([&] { (void)run(half_known(4), remote); },
                Throws<Error>(Property(&Error::code, ErrorCode::Unavailable)));
    EXPECT_EQ(steps_, 0);
  }
}

TEST_F(Evaluating, ASpentBudgetIsNoticedBeforeTheDeviceWorksAndNothingIsHeard) {
  ScriptedBudget spent([](auto&) { return Reservation{false, 0, "daily calls (0 of 0)"}; });
  EvaluateOptions options;
  options.door.budget = &spent;
  EXPECT_THAT([&] { (void)run(half_known(4), &remote_, options); },
              Throws<Error>(AllOf(Property(&Error::code, ErrorCode::Unavailable),
                                  Property(&Error::what, HasSubstr("budget spent")))));
  EXPECT_EQ(server_.called, 0);
  EXPECT_EQ(steps_, 0);
}

TEST_F(Evaluating, AServerThatDoesNotListItsModelsWillDo) {
  const FakeServer bare(FakeServer::Mode::NoModels);
  Remote remote = bare.remote();
  EXPECT_EQ(run(half_known(4), &remote).server->n, 4u);
}

TEST_F(Evaluating, MoreChoicesThanLettersAreRefusedFirstAndOnlyForAServer) {
  auto questions = half_known(2);
  while (questions[1].choices.size() < 27) questions[1].choices.emplace_back("another");
  EXPECT_THAT([&] { (void)run(questions, &remote_); },
              Throws<Error>(AllOf(Property(&Error::code, ErrorCode::InvalidArgument),
                                  Property(&Error::what, HasSubstr("'q1'")))));
  EXPECT_EQ(server_.called, 0);
  EXPECT_EQ(steps_, 0);
  EXPECT_EQ(run(questions).n, 2u);
}

TEST_F(Evaluating, AQuestionThatDoesNotFitIsNamed) {
  auto questions = half_known(3);
  questions[2].question = std::string(3000, 'x');
  EXPECT_THAT([&] { (void)run(questions); },
              Throws<Error>(AllOf(Property(&Error::code, ErrorCode::InvalidArgument),
                                  Property(&Error::what, HasSubstr("'q2'")))));
}

TEST_F(Evaluating, WhereTheReplyNamesNoChoiceTheMixHasTheDevicesAnswerAsAskWould) {
  server_.reply = "dunno";
  EvaluateOptions options;
  options.router.server_share = 1;
  const Evaluation got = run(half_known(8), &remote_, options);
  EXPECT_EQ(got.unparsed, 8u);
  EXPECT_EQ(got.server->accuracy, 0);
  EXPECT_EQ(got.mix->accuracy, got.blended.accuracy);
  EXPECT_EQ(got.blended.accuracy, 0.5);
  EXPECT_EQ(got.server_share, 0);
  for (const QuestionDetail& detail : got.details) EXPECT_EQ(detail.side, Side::Device);
}

TEST_F(Evaluating, MeasuresTheFreeAnswersThatAskGives) {
  std::string long_answer;
  for (int i = 0; i < 40; ++i) long_answer += (i == 0 ? "w" : " w") + std::to_string(i);
  const std::vector<Example> questions = {line_question("Paris"), line_question(long_answer)};
  server_.reply = "Paris\\nThat is it.";
  EvaluateOptions options;
  options.router.server_share = 1;
  const Evaluation got = run(questions, &remote_, options);
  EXPECT_EQ(got.blended.accuracy, 1) << "40 tokens are fewer than ask writes";
  EXPECT_EQ(got.server->accuracy, 0.5) << "the server's reply ends with its line";
  for (const RouteMode mode : {RouteMode::Never, RouteMode::Always}) {
    AnswererOptions ask;
    ask.router.mode = mode;
    Answerer answerer(*model_, *engine_, open_task("base"), &remote_, ask);
    const Answer answer = answerer.answer(questions[0]);
    EXPECT_EQ(answer.text, mode == RouteMode::Never ? " Paris" : "Paris");
    if (mode == RouteMode::Never) {
      EXPECT_EQ(answer.confidence, got.details[0].blended.confidence);
    }
  }
}

}  // namespace
}  // namespace crayon
