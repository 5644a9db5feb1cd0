#include "crayon/session/customize.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>

#include "crayon/base/error.h"
#include "crayon/base/interrupt.h"
#include "crayon/pool/edit_pool.h"
#include "crayon/session/internal/test_world.h"
#include "crayon/testing/fake_engine.h"
#include "crayon/testing/random.h"

namespace crayon {
namespace {

using ::testing::AllOf;
using ::testing::FloatNear;
using ::testing::HasSubstr;
using ::testing::Pointwise;
using ::testing::Property;
using ::testing::Throws;

/// The question ends in its number k, so a scripted score knows the right choice, k mod 3.
std::size_t number_of(const std::string& prompt) {
  const auto at = prompt.find("number ") + 7;
  return static_cast<std::size_t>(std::stoi(prompt.substr(at)));
}

/// Adapter 2 lifts the right choice by `gain` times its weight; the base is at chance.
ScoreFunction adapter_two_helps(float gain) {
  return [gain](const std::string& prompt, std::size_t choice, const std::vector<float>& w) {
    const std::size_t k = number_of(prompt);
    const float noise = 0.1f * std::sin(static_cast<float>(7 * k + 3 * choice));
    const float lift = w.empty() ? 0.0f : gain * (w[2] - 0.2f);
    return -2 + noise + (choice == k % 3 ? lift : 0.0f);
  };
}

class Customize : public ::testing::Test {
 protected:
  void TearDown() override { set_interrupted(false); }

  CustomizeReport run(std::span<const Example> examples, const CustomizeOptions& options = {},
                      const ScoreFunction& score = adapter_two_helps(1)) {
    const auto engine = make_scripted_engine(*model_, score);
    return customize(pool_, *model_, *engine, examples, options,
                     [this](const StepProgress& p) { steps_.push_back(p.step); });
  }

  TemporaryFolder folder_;
  std::shared_ptr<Model> model_ = make_fake_model({.d_model = kWidth});
  Pool pool_ = make_test_pool(folder_.path() / "pool", *model_, 4);
  std::vector<std::string> steps_;
};

TEST_F(Customize, UnlabelledExamplesGiveTheGatesBlendWithLabelCalibration) {
  const auto report = run(make_test_examples(6, false));

  EXPECT_EQ(report.kept, "blend+labels");
  EXPECT_FALSE(report.leave_one_out);
  EXPECT_EQ(report.n_examples, 6u);
  EXPECT_THAT(report.weights, Pointwise(FloatNear(1e-6f), report.gate.weights));
  EXPECT_NEAR(std::accumulate(report.weights.begin(), report.weights.end(), 0.0), 1, 1e-5);
  EXPECT_EQ(report.task.info->head.labels.size(), 3u);
  EXPECT_EQ(report.task.info->recent_scores.size(), 6u);
  EXPECT_EQ(report.task.info->scope_examples.rows, 6u);
}

TEST_F(Customize, WithoutSharedLabelsOnePassIsAllAndNothingIsScored) {
  auto examples = make_test_examples(5, false);
  for (std::size_t k = 0; k < 5; ++k)
    examples[k].choices = {std::to_string(k), "x" + std::to_string(k)};
  const auto report = run(examples);
  EXPECT_EQ(report.kept, "blend");
  EXPECT_EQ(steps_, std::vector<std::string>(5, "embed"));
}

/// 40 examples; each two that stand next to each other have the same two labels.
std::vector<Example> many_labels() {
  auto examples = make_test_examples(40, false);
  for (std::size_t k = 0; k < examples.size(); ++k) {
    examples[k].choices = {"a" + std::to_string(k / 2), "b" + std::to_string(k / 2)};
  }
  return examples;
}

TEST_F(Customize, LabelsThatOnlyAllExamplesTogetherShareAreCalibratedOnAll) {
  const auto report = run(many_labels());  // 16 of 40: each label in one example only
  EXPECT_EQ(report.kept, "blend+labels");
  EXPECT_EQ(report.task.info->head.labels.size(), 40u);
  EXPECT_EQ(std::ranges::count(steps_, "label calibration"), 40);
}

TEST_F(Customize, CountsTheLabelsAndTheCutPassagesAndNamesAnExampleThatDoesNotFit) {
  auto examples = make_test_examples(4, false);
  examples[0].answer = 1;
  examples[1].context = std::string(3000, 'x');
  examples[2].context = "short";
  const CustomizeOptions options{.context_tokens = 4096};
  const auto report = run(examples, options);
  EXPECT_EQ(report.n_labelled, 1u);
  EXPECT_EQ(report.cut_examples, 1u) << "the model itself has 2048 tokens";
  EXPECT_EQ(run(make_test_examples(4, false), options).cut_examples, 0u);
  examples[3].question = std::string(3000, 'x');
  EXPECT_THAT([&] { (void)run(examples, options); },
              Throws<Error>(AllOf(Property(&Error::code, ErrorCode::InvalidArgument),
                                  Property(&Error::what, HasSubstr("'e3'")))));
}

TEST_F(Customize, ATaskMayBeMarkedLocalOnly) {
  const auto task = task_from_gguf(
      Gguf::parse(run(make_test_examples(4), {.local_only = true}).file, "local.gguf"));
  EXPECT_TRUE(task.info->policy.local_only);
  EXPECT_FALSE(run(make_test_examples(4)).task.info->policy.local_only);
}

TEST_F(Customize, TheFileReadsBackAsTheSameTaskAndHoldsNoTextOfTheExamples) {
  const auto report = run(make_test_examples(6), {.name = "mine"});
  const std::string bytes(reinterpret_cast<const char*>(report.file.data()), report.file.size());

  const Task task = task_from_gguf(Gguf::parse(report.file, "mine.gguf"));

  ASSERT_TRUE(task.info);
  EXPECT_EQ(task.info->name, "mine");
  EXPECT_EQ(task.info->pool_id, pool_.manifest().id);
  EXPECT_THAT(task.info->weights, Pointwise(FloatNear(1e-6f), report.weights));
  EXPECT_EQ(task.info->kept, report.kept);
  for (const char* word : {"apple", "river", "number", "maybe"}) {
    EXPECT_EQ(bytes.find(word), std::string::npos) << word;
  }
}

TEST_F(Customize, ExplicitWeightsTakeThePlaceOfTheGates) {
  const auto report = run(make_test_examples(4, false), {.weights = {0, 0, 1, -0.5f}});
  EXPECT_THAT(report.weights, Pointwise(FloatNear(0), {0.0f, 0.0f, 1.0f, -0.5f}));
  EXPECT_EQ(max_rank(report.task.adapter), 2u);  // parts of weight 0 are left out
}

TEST_F(Customize, RefusesWeightsThatAreNotNFiniteNumbersAndSaysBothNumbers) {
  const auto examples = make_test_examples(4);
  EXPECT_THAT(
      [&] {
        (void)run(examples, {.weights = {1, 2}});
      },
      Throws<Error>(AllOf(Property(&Error::code, ErrorCode::InvalidArgument),
                          Property(&Error::what, HasSubstr("2 numbers")),
                          Property(&Error::what, HasSubstr("4 base adapters")))));
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THROW((void)run(examples, {.weights = {1, 2, nan, 0}}), Error);
  EXPECT_THROW((void)run(examples, {.refine = true, .weights = {1, 0, 0, 0}}), Error);
  EXPECT_THROW((void)run({}, {}), Error);
}

TEST_F(Customize, LabelsKeepTheBlendWhereItHelpsAndSayByHowMuch) {
  const auto report = run(make_test_examples(12), {.weights = {0, 0, 1, 0}});
  ASSERT_TRUE(report.leave_one_out);
  EXPECT_EQ(report.kept.rfind("blend", 0), 0u) << report.kept;
  EXPECT_EQ(report.leave_one_out->n, 12u);
  EXPECT_EQ(report.leave_one_out->blended, 1);
  EXPECT_LT(report.leave_one_out->base, 0.7);
  EXPECT_EQ(report.leave_one_out->candidates.size(), 6u);
  EXPECT_GT(report.task.info->calibration.n, 0u);
}

TEST_F(Customize, ABlendThatHurtsGivesAZeroAdapterAndSaysSo) {
  const auto worse = [](const std::string& prompt, std::size_t choice,
                        const std::vector<float>& w) {
    const bool right = choice == number_of(prompt) % 3;
    return w.empty() == right ? -1.0f : -2.0f;
  };
  const auto report = run(make_test_examples(9), {}, worse);
  EXPECT_EQ(report.kept.rfind("base", 0), 0u) << report.kept;
  EXPECT_EQ(report.leave_one_out->blended, 1);
  for (const LoraTensor& tensor : report.task.adapter.tensors) {
    for (const float x : tensor.b.data) EXPECT_EQ(x, 0);
  }
  EXPECT_NO_THROW((void)task_from_gguf(Gguf::parse(report.file, "zero.gguf")));
}

TEST_F(Customize, RefiningRaisesTheAdapterThatHelpsWithoutAGradient) {
  auto examples = make_test_examples(15);
  for (std::size_t k = 0; k < 15; ++k) {  // labels that are not shared: no head in the way
    for (std::string& choice : examples[k].choices) choice += std::to_string(k);
  }
  const auto gate = run(examples);
  const auto report = run(examples, {.refine = true});
  EXPECT_EQ(report.kept, "refined");
  EXPECT_GT(report.weights[2], gate.weights[2] + 0.1f);
  EXPECT_GE(report.leave_one_out->blended, gate.leave_one_out->blended);
  EXPECT_EQ(std::ranges::count(steps_, "refine 5 of 5"), 15);
}

TEST_F(Customize, RefiningNeedsLabels) {
  EXPECT_THAT([&] { (void)run(make_test_examples(4, false), {.refine = true}); },
              Throws<Error>(Property(&Error::code, ErrorCode::InvalidArgument)));
}

TEST_F(Customize, RefusesAnotherBaseModel) {
  model_ = make_fake_model({.d_model = 2 * kWidth});
  EXPECT_THAT([&] { (void)run(make_test_examples(4)); },
              Throws<Error>(Property(&Error::code, ErrorCode::Incompatible)));
}

TEST_F(Customize, StopsOnCtrlC) {
  const auto engine = make_scripted_engine(*model_, adapter_two_helps(1));
  const auto examples = make_test_examples(6);
  EXPECT_THROW((void)customize(pool_, *model_, *engine, examples, {},
                               [](const StepProgress& p) { set_interrupted(p.done == 2); }),
               Interrupted);
}

TEST_F(Customize, ATaskKnowsHowOftenAGuessIsRightWhereItsPoolDoes) {
  EXPECT_EQ(run(make_test_examples(6)).task.info->calibration.guess, 0) << "this pool does not";
  write_edit(pool_.folder(),
             with_calibration(pool_, {.slope = 0.5, .intercept = -0.5, .n = 9, .guess = 0.4}));
  pool_ = Pool::open(pool_.folder());
  for (const bool labels : {true, false}) {
    const TaskInfo info = *run(make_test_examples(6, labels)).task.info;
    EXPECT_NEAR(info.generic.guess, 1 / 3.0, 1e-12) << "of three choices";
    EXPECT_EQ(info.calibration.guess, info.generic.guess);
  }
  std::vector<Example> texts(3);
  for (Example& text : texts) {
    text.kind = ExampleKind::Completion;
    text.prompt = "Once upon a time";
  }
  EXPECT_EQ(run(texts).task.info->calibration.guess, 0);
}

TEST_F(Customize, TakesExamplesWithoutChoices) {
  std::vector<Example> examples(3);
  for (auto& example : examples) {
    example.kind = ExampleKind::Completion;
    example.prompt = "Once upon a time";
  }
  const auto report = run(examples);
  EXPECT_EQ(report.kept, "blend");
  EXPECT_TRUE(report.task.info->head.empty());
}

}  // namespace
}  // namespace crayon
