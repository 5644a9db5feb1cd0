#include "crayon/session/pool_calibration.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "crayon/base/interrupt.h"
#include "crayon/session/internal/test_world.h"
#include "crayon/testing/fake_engine.h"
#include "crayon/testing/random.h"
#include "tests/errors.h"

namespace crayon {
namespace {

class PoolCalibrationFit : public ::testing::Test {
 protected:
  void TearDown() override { set_interrupted(false); }

  PoolCalibration fit(const std::vector<std::vector<Example>>& sets, std::size_t k,
                      const OnProgress& on_progress = {}) {
    // Scores that tell nothing of the labels.
    const auto engine = make_scripted_engine(
        *model_, [](const std::string& prompt, std::size_t choice, const std::vector<float>&) {
          const float noise = std::sin(static_cast<float>(prompt.size() + 7 * choice));
          return -2 + 0.3f * noise;
        });
    return fit_pool_calibration(pool_, *model_, *engine, sets, k, on_progress);
  }

  TemporaryFolder folder_;
  std::shared_ptr<Model> model_ = make_fake_model({.d_model = kWidth});
  Pool pool_ = make_test_pool(folder_.path() / "pool", *model_, 4);
};

TEST_F(PoolCalibrationFit, AsksWhatTheTasksWereNotMadeFromAndKeepsTheMeanOfAGuess) {
  auto two_choices = make_test_examples(20);
  for (Example& one : two_choices) {
    one.choices.pop_back();
    *one.answer %= 2;
  }
  std::vector<std::string> steps;
  const PoolCalibration got = fit({make_test_examples(40), two_choices}, 8,
                                  [&](const StepProgress& step) { steps.push_back(step.step); });
  EXPECT_EQ(got.sets, 2u);
  EXPECT_EQ(got.left_out, 0u);
  EXPECT_EQ(got.calibration.n, 32u + 12u);
  EXPECT_NEAR(got.calibration.guess, (32 / 3.0 + 12 / 2.0) / 44, 1e-12);
  EXPECT_GE(got.calibration.slope, 0);
  EXPECT_FALSE(got.calibration.approximate);
  EXPECT_GT(got.accuracy, 0);
  EXPECT_LT(got.accuracy, 1);
  EXPECT_EQ(steps, (std::vector<std::string>{"sets", "sets", "sets"}));
}

TEST_F(PoolCalibrationFit, LeavesOutWhatHasTooFewLabels) {
  auto few = make_test_examples(40);
  for (std::size_t i = 10; i < 40; ++i) few[i].answer.reset();
  std::vector<Example> texts(20);
  for (Example& text : texts) {
    text.kind = ExampleKind::Completion;
    text.prompt = "Once upon a time";
  }
  const PoolCalibration alone = fit({make_test_examples(40)}, 8);
  const PoolCalibration got = fit({few, make_test_examples(40), texts}, 8);
  EXPECT_EQ(got.sets, 1u);
  EXPECT_EQ(got.left_out, 2u);
  EXPECT_EQ(got.calibration.n, alone.calibration.n);
  EXPECT_EQ(got.calibration.intercept, alone.calibration.intercept);
  EXPECT_THAT(
      [&] {
        (void)fit({few, texts}, 8);
      },
      test::error_of(ErrorCode::InvalidArgument, "no set of at least 11 questions"));
}

TEST_F(PoolCalibrationFit, StopsOnCtrlC) {
  set_interrupted(true);
  EXPECT_THROW((void)fit({make_test_examples(40)}, 8), Interrupted);
}

}  // namespace
}  // namespace crayon
