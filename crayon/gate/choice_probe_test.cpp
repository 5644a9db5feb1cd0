#include "crayon/gate/choice_probe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "crayon/base/error.h"
#include "crayon/base/random.h"

namespace crayon {
namespace {

using ::testing::Each;
using ::testing::FloatNear;
using ::testing::Pointwise;

/// n examples of 4 choices with states of d numbers. In the right one's state number 3 is greater
/// by `tells`; the scores are noise.
std::vector<AnsweredChoices> make(std::size_t n, std::size_t d, double tells, Rng& rng) {
  std::vector<AnsweredChoices> examples;
  for (std::size_t k = 0; k < n; ++k) {
    AnsweredChoices example;
    example.answer = static_cast<int>(4 * rng.uniform());
    example.states = Matrix(4, d);
    for (float& x : example.states.data) x = static_cast<float>(rng.normal());
    example.states.at(static_cast<std::size_t>(example.answer), 3) += static_cast<float>(tells);
    for (int c = 0; c < 4; ++c) example.scores.push_back(static_cast<float>(rng.normal()));
    examples.push_back(std::move(example));
  }
  return examples;
}

int best(const std::vector<float>& scores) {
  return static_cast<int>(std::ranges::max_element(scores) - scores.begin());
}

double accuracy(std::span<const float> direction, const std::vector<AnsweredChoices>& examples) {
  double right = 0;
  for (const AnsweredChoices& example : examples) {
    std::vector<float> scores = apply_choice_probe(direction, example.states);
    for (std::size_t c = 0; c < scores.size(); ++c) scores[c] += example.scores[c];
    right += best(scores) == example.answer ? 1 : 0;
  }
  return right / static_cast<double>(examples.size());
}

double accuracy_without_each(const ChoiceProbe& probe,
                             const std::vector<AnsweredChoices>& examples) {
  double right = 0;
  for (std::size_t k = 0; k < examples.size(); ++k) {
    right += best(probe.without_each[k]) == examples[k].answer ? 1 : 0;
  }
  return right / static_cast<double>(examples.size());
}

TEST(ChoiceProbe, FindsTheDirectionThatTellsTheRightChoice) {
  Rng rng(1, "choice probe");
  const auto known = make(64, 40, 4, rng), others = make(1000, 40, 4, rng);
  const ChoiceProbe probe = fit_choice_probe(known);
  ASSERT_EQ(probe.direction.size(), 40u);
  const auto size = [](float x) { return std::abs(x); };
  EXPECT_EQ(std::ranges::max_element(probe.direction, {}, size) - probe.direction.begin(), 3);
  EXPECT_LT(accuracy(std::vector<float>(40), others), 0.35);
  EXPECT_GT(accuracy(probe.direction, others), 0.8);
}

/// Fewer rows than numbers and more of them: two ways through the same problem.
TEST(ChoiceProbe, JudgesEachExampleAsAFitOfTheOthersDoes) {
  for (const std::size_t d : {20u, 200u}) {
    Rng rng(2, "choice probe");
    const auto all = make(24, d, 3, rng);
    const ChoiceProbe probe = fit_choice_probe(all);
    for (std::size_t k = 0; k < all.size(); ++k) {
      auto others = all;
      others.erase(others.begin() + static_cast<std::ptrdiff_t>(k));
      const auto direction = fit_choice_probe(others).direction;
      std::vector<float> want = apply_choice_probe(direction, all[k].states);
      float most = 0;
      for (std::size_t c = 0; c < want.size(); ++c) {
        most = std::max(most, std::abs(want[c]));
        want[c] += all[k].scores[c];
      }
      EXPECT_THAT(probe.without_each[k], Pointwise(FloatNear(0.1f * most + 0.02f), want)) << d;
    }
  }
}

TEST(ChoiceProbe, DoesNotFlatterItselfWhereThereIsNothingToLearn) {
  double mean = 0;
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    Rng rng(seed, "nothing");
    const auto examples = make(32, 300, 0, rng);
    mean += accuracy_without_each(fit_choice_probe(examples), examples) / 40;
  }
  EXPECT_NEAR(mean, 0.25, 3 * std::sqrt(0.25 * 0.75 / (40 * 32)));
}

TEST(ChoiceProbe, SaysNothingOfChoicesThatAreAlike) {
  Rng rng(3, "choice probe");
  const auto probe = fit_choice_probe(make(16, 10, 3, rng));
  Matrix same(3, 10);
  for (std::size_t i = 0; i < same.data.size(); ++i) same.data[i] = static_cast<float>(i % 10);
  EXPECT_THAT(apply_choice_probe(probe.direction, same), Each(FloatNear(0, 1e-6f)));
}

TEST(ChoiceProbe, DoesNotCareForTheSizeOfAState) {
  Rng rng(4, "choice probe");
  auto examples = make(16, 10, 3, rng);
  const auto direction = fit_choice_probe(examples).direction;
  for (AnsweredChoices& example : examples) {
    for (float& x : example.states.data) x *= 8;
  }
  EXPECT_THAT(fit_choice_probe(examples).direction, Pointwise(FloatNear(1e-5f), direction));
}

TEST(ChoiceProbe, RefusesWhatDoesNotFit) {
  Rng rng(5, "choice probe");
  EXPECT_THROW((void)fit_choice_probe({}), Error);
  auto examples = make(3, 5, 1, rng);
  examples[1].answer = 4;
  EXPECT_THROW((void)fit_choice_probe(examples), Error);
  examples[1].answer = 0;
  examples[2].scores.pop_back();
  EXPECT_THROW((void)fit_choice_probe(examples), Error);
  examples[2].scores.push_back(std::nanf(""));
  EXPECT_THROW((void)fit_choice_probe(examples), Error);
  const std::vector<float> direction(4);
  EXPECT_THROW((void)apply_choice_probe(direction, Matrix(2, 5)), Error);
}

}  // namespace
}  // namespace crayon
