#include "crayon/session/calibrate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "crayon/base/error.h"
#include "crayon/base/random.h"
#include "crayon/session/internal/test_world.h"
#include "crayon/stats/stats.h"
#include "crayon/testing/fake_engine.h"
#include "crayon/testing/random.h"

namespace crayon {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Property;
using ::testing::Throws;

/// Requests that are right as often as `truth` says.
std::vector<JudgedSignals> draw(const Calibration& truth, std::size_t n, std::uint64_t seed,
                                bool held_out) {
  Rng rng(seed);
  std::vector<JudgedSignals> out(n);
  for (JudgedSignals& j : out) {
    j.signals = {.margin = rng.uniform()};
    j.right = rng.uniform() < confidence(truth, j.signals);
    j.held_out = held_out;
  }
  return out;
}

const Calibration kTruth{.slope = 0.5, .intercept = -1};

TEST(Recalibrate, LowersTheErrorAndMeasuresItOnQuestionsThatEachFitDidNotSee) {
  TaskInfo info;
  info.judged = draw(kTruth, 32, 1, false);
  const auto questions = draw(kTruth, 300, 2, true);
  const CalibrateReport report = recalibrate(info, questions, {});
  EXPECT_EQ(report.n_examples, 32u);
  EXPECT_EQ(report.n_questions, 300u);
  EXPECT_EQ(report.n_measured, 300u);
  EXPECT_GT(report.error_raw, 0.15);
  EXPECT_NEAR(report.error_before, report.error_raw, 1e-3) << "the old one was the identity";
  EXPECT_LT(report.error_after, 0.5 * report.error_raw);
  EXPECT_NEAR(info.calibration.slope, 0.5, 0.25);
  EXPECT_EQ(info.calibration.n, 332u);
  EXPECT_EQ(report.reliability_after.size(), 10u);
  std::size_t n = 0;
  for (const ReliabilityBin& bin : report.reliability_after) n += bin.n;
  EXPECT_EQ(n, 300u);
  EXPECT_EQ(info.recent_scores.size(), 300u);
}

// With labels that are coins, a calibration that is measured on what it was fitted to looks better
// than it is; the reported error must not.
TEST(Recalibrate, DoesNotFlatterItselfOnFewLabels) {
  double reported = 0, true_error = 0;
  constexpr int kTasks = 200;
  for (int t = 0; t < kTasks; ++t) {
    TaskInfo info;
    const auto seed = static_cast<std::uint64_t>(t);
    const auto questions = draw({.slope = 0, .intercept = 0}, 16, seed, true);
    std::vector<double> c;
    std::vector<std::uint8_t> right;
    reported += recalibrate(info, questions, {}).error_after / kTasks;
    for (const auto& j : draw({.slope = 0, .intercept = 0}, 16, seed + 1000, true)) {
      c.push_back(confidence(info.calibration, j.signals));
      right.push_back(j.right);
    }
    true_error += expected_calibration_error(c, right) / kTasks;
  }
  EXPECT_GT(reported, true_error - 0.02) << "on as many fresh requests";
}

TEST(Recalibrate, ACallWithTheSameQuestionsChangesNothingMore) {
  TaskInfo info;
  info.judged = draw(kTruth, 20, 1, false);
  const auto questions = draw(kTruth, 40, 2, true);
  const auto marks = draw(kTruth, 10, 3, false);
  (void)recalibrate(info, questions, marks);
  const Calibration once = info.calibration;
  (void)recalibrate(info, questions, marks);
  EXPECT_EQ(info.calibration.slope, once.slope) << "the prior is the pool's, not the last fit";
  EXPECT_EQ(info.calibration.intercept, once.intercept);
  EXPECT_EQ(info.judged.size(), 60u) << "questions replace the earlier ones, marks are not kept";
  const CalibrateReport marked = recalibrate(info, {}, draw(kTruth, 5, 4, false));
  EXPECT_EQ(marked.n_questions, 40u) << "without new ones, the earlier questions stay";
  EXPECT_EQ(marked.n_marks, 5u);
}

TEST(Recalibrate, MarksAloneShiftTheCalibration) {
  TaskInfo info;
  info.judged = draw({.slope = 1, .intercept = 2}, 16, 1, false);
  (void)recalibrate(info, {}, draw({.slope = 1, .intercept = 2}, 8, 5, false));
  const double before = confidence(info.calibration, {.margin = 0.5});
  std::vector<JudgedSignals> wrong(12);
  for (JudgedSignals& j : wrong) j.signals.margin = 0.5;
  (void)recalibrate(info, {}, wrong);
  EXPECT_LT(confidence(info.calibration, {.margin = 0.5}), before - 0.1);
}

TEST(Recalibrate, RefusesTooFewLabelsAndSaysHowManyOfEach) {
  TaskInfo info;
  info.judged = draw(kTruth, 3, 1, false);
  const auto two = draw(kTruth, 2, 2, true);
  EXPECT_THAT(
      [&] { (void)recalibrate(info, two, {}); },
      Throws<Error>(Property(&Error::what, HasSubstr("5 labels in all (3 of the task's examples, 2 "
                                                     "questions, 0 marks); expected at least 8"))));
  EXPECT_THAT([&] { (void)recalibrate(info, {}, {}); },
              Throws<Error>(Property(&Error::what, HasSubstr("no labelled question and no mark"))));
  EXPECT_EQ(info.judged.size(), 3u) << "a refusal changes nothing";
}

TEST(Recalibrate, FitsTheServerWhereItWasAskedEnough) {
  TaskInfo info;
  auto questions = draw(kTruth, 60, 2, true);
  for (std::size_t i = 0; i < 7; ++i) questions[i].server_right = true;
  EXPECT_FALSE(recalibrate(info, questions, {}).server);
  for (JudgedSignals& j : questions) j.server_right = j.signals.margin > 0.3;
  ASSERT_TRUE(recalibrate(info, questions, {}).server);
  EXPECT_GT(confidence(*info.server, {.margin = 0.9}), 0.8);
  EXPECT_LT(confidence(*info.server, {.margin = 0.05}), 0.4);
}

TEST(RiskExamples, AreTheQuestionsThatTheTaskWasNotMadeFromWhereThereAreSome) {
  TaskInfo info;
  info.judged = draw(kTruth, 20, 1, false);
  EXPECT_EQ(risk_examples(info).examples.size(), 20u);
  EXPECT_FALSE(risk_examples(info).held_out);
  (void)recalibrate(info, draw(kTruth, 30, 2, true), {});
  EXPECT_EQ(risk_examples(info).examples.size(), 30u);
  EXPECT_TRUE(risk_examples(info).held_out);
}

TEST(JudgedByMarks, AreThoseOfTheDevicesOwnAnswersOfOneKind) {
  std::vector<JudgedDecision> marks(4);
  marks[0].record.choices = true;
  marks[0].record.margin = 0.25;
  marks[0].good = true;
  marks[1].record.server = true;
  marks[1].record.choices = true;
  const auto choices = judged_by_marks(marks, true);
  ASSERT_EQ(choices.size(), 1u);
  EXPECT_EQ(choices[0].signals.margin, 0.25);
  EXPECT_TRUE(choices[0].right);
  EXPECT_FALSE(choices[0].signals.free_text);
  for (const JudgedSignals& text : judged_by_marks(marks, false)) {
    EXPECT_TRUE(text.signals.free_text);
  }
  EXPECT_FALSE(choices[0].held_out) << "a user marks some answers and not others";
  EXPECT_EQ(judged_by_marks(marks, false).size(), 2u);
}

class Judging : public ::testing::Test {
 protected:
  std::shared_ptr<Model> model_ = make_fake_model({.d_model = kWidth});
  std::unique_ptr<Engine> engine_ = model_->open_engine({});
  FakeServer server_;
  Remote remote_ = server_.remote();
};

TEST_F(Judging, QuestionsAreAnsweredOnTheDeviceAndOnTheServer) {
  std::vector<Example> questions = {make_question("is it *yes"), make_question("is it *no")};
  questions[0].answer = 0;
  questions[1].answer = 0;
  const auto device = judge_questions(*model_, *engine_, open_task("base"), questions);
  EXPECT_TRUE(device[0].right);
  EXPECT_FALSE(device[1].right);
  EXPECT_TRUE(device[0].held_out);
  EXPECT_FALSE(device[0].server_right);
  ServerDoor door(remote_);  // it says B, "no", to everything
  const auto both = judge_questions(*model_, *engine_, open_task("base"), questions, &door);
  EXPECT_EQ(both[0].server_right, false);
  EXPECT_EQ(both[0].signals.margin, device[0].signals.margin);
  EXPECT_EQ(server_.asked, 2);
  Example text;
  text.id = "t";
  text.kind = ExampleKind::Completion;
  text.prompt = "say *blue";
  text.completion = "Blue.";
  EXPECT_TRUE(judge_questions(*model_, *engine_, open_task("base"), {&text, 1})[0].right);
}

TEST_F(Judging, AQuestionThatMayNotLeaveHasNoLabelOfTheServerAndOneWithoutALabelIsNamed) {
  std::vector<Example> questions = {make_question("mail jane@doe.example *yes"),
                                    make_question("is it *no")};
  questions[0].answer = questions[1].answer = 0;
  const auto check = make_text_check({});
  ServerDoor door(remote_, {.check = check.get()});
  const auto judged = judge_questions(*model_, *engine_, open_task("base"), questions, &door);
  EXPECT_FALSE(judged[0].server_right);
  EXPECT_TRUE(judged[1].server_right.has_value());
  ServerDoor narrow(remote_, {.models = {"small"}});
  EXPECT_THAT(
      [&] { (void)judge_questions(*model_, *engine_, open_task("base"), questions, &narrow); },
      Throws<Error>(Property(&Error::what, HasSubstr("model not allowed"))))
      << "kept for something else than its text";
  questions[1].answer.reset();
  questions[1].id = "q2";
  EXPECT_THAT(
      [&] { (void)judge_questions(*model_, *engine_, open_task("base"), questions); },
      Throws<Error>(Property(&Error::what, AllOf(HasSubstr("'q2'"), HasSubstr("no answer")))));
}

}  // namespace
}  // namespace crayon
