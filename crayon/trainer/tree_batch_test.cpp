#include "crayon/trainer/internal/tree_batch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>
#include <torch/utils.h>

#include <cmath>
#include <limits>

#include "crayon/base/error.h"
#include "crayon/trainer/internal/losses.h"
#include "crayon/trainer/internal/number_type.h"

namespace crayon {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Property;
using ::testing::Throws;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

std::vector<std::int64_t> numbers(const torch::Tensor& tensor) {
  return {tensor.data_ptr<std::int64_t>(), tensor.data_ptr<std::int64_t>() + tensor.numel()};
}

TEST(TreeBatch, SharesNodesAndLeavesOutTheLastTokenOfEachChoice) {
  const TokenizedChoices item{
      .prefix = {1, 2}, .branches = {{4, 8, 2}, {4, 8}, {5, 7}}, .unscored = {0, 1, 0}};
  const TreeItem items[] = {{item, 1}};
  const TreeBatch batch = collate(items);

  EXPECT_THAT(numbers(batch.tokens), ElementsAre(1, 2, 4, 8, 5));
  EXPECT_THAT(numbers(batch.positions), ElementsAre(0, 1, 2, 3, 2));
  EXPECT_THAT(numbers(batch.predict_rows), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(numbers(batch.scored_rows), ElementsAre(0, 1, 2, 1, 0, 3));
  EXPECT_THAT(numbers(batch.targets), ElementsAre(4, 8, 2, 8, 5, 7));
  EXPECT_THAT(numbers(batch.choice_of), ElementsAre(0, 0, 0, 1, 2, 2));
  EXPECT_TRUE(batch.choice_tokens.equal(torch::tensor({{3.0f, 1.0f, 2.0f}})));
  const torch::Tensor sees = torch::tensor(
      {{1, 0, 0, 0, 0}, {1, 1, 0, 0, 0}, {1, 1, 1, 0, 0}, {1, 1, 1, 1, 0}, {1, 1, 0, 0, 1}});
  EXPECT_TRUE((batch.masks[0] == 0).equal(sees == 1));
}

TEST(TreeBatch, PutsItemsOneAfterTheOtherAndPadsOnlyTheScores) {
  const TokenizedChoices first{.prefix = {1}, .branches = {{2}, {3}, {4}}, .unscored = {0, 0, 0}};
  const TokenizedChoices second{.prefix = {5, 6}, .branches = {{7, 8}}, .unscored = {0}};
  const TreeItem items[] = {{first, std::nullopt}, {second, 0}};
  const TreeBatch batch = collate(items);

  EXPECT_THAT(batch.lengths, ElementsAre(1, 3));
  EXPECT_THAT(batch.prefix_lengths, ElementsAre(1, 2));
  EXPECT_THAT(numbers(batch.predict_rows), ElementsAre(0, 2, 3));
  EXPECT_THAT(numbers(batch.choice_of), ElementsAre(0, 1, 2, 3, 3));
  EXPECT_THAT(numbers(batch.answers), ElementsAre(-1, 0));
  EXPECT_TRUE(batch.choice_tokens.equal(torch::tensor({{1.0f, 1.0f, 1.0f}, {2.0f, 0.0f, 0.0f}})));
}

TEST(TreeBatch, RefusesItemsItCannotScoreAndSaysWhich) {
  const auto fails = [](const TokenizedChoices& item, std::optional<int> answer,
                        const char* message) {
    const TokenizedChoices good{.prefix = {1}, .branches = {}, .unscored = {}};
    const TreeItem items[] = {{good, std::nullopt}, {item, answer}};
    EXPECT_THAT([&] { (void)collate(items); },
                Throws<Error>(AllOf(Property(&Error::code, ErrorCode::InvalidArgument),
                                    Property(&Error::what, HasSubstr("item 1")),
                                    Property(&Error::what, HasSubstr(message)))));
  };
  fails({.prefix = {}, .branches = {{1}}, .unscored = {0}}, 0, "no tokens");
  fails({.prefix = {1}, .branches = {{1}, {}}, .unscored = {0, 0}}, 0, "choice 1 has 0 tokens");
  fails({.prefix = {1}, .branches = {{1, 2}}, .unscored = {2}}, 0, "2 belong to the prompt");
  fails({.prefix = {1}, .branches = {{1}, {2}}, .unscored = {0, 0}}, 2, "answer is 2");
  EXPECT_THROW((void)collate({}), Error);
}

TEST(Losses, ListwiseIsTheCrossEntropyOfScaledScoresOverItemsWithAnAnswer) {
  const torch::Tensor scores =
      torch::tensor({{-1.0f, -2.0f, -kInfinity}, {-3.0f, -1.0f, -1.5f}, {-1.0f, -1.0f, -1.0f}});
  const torch::Tensor answers = torch::tensor({0, 2, -1}, torch::kLong);
  const double first = std::log(1 + std::exp(-2.0));
  const double second = 3.0 + std::log(std::exp(-6.0) + std::exp(-2.0) + std::exp(-3.0));

  EXPECT_NEAR(listwise_loss(scores, answers, 2.0).item<double>(), (first + second) / 2, 1e-6);
  EXPECT_NEAR(answer_loss(scores, answers).item<double>(), 1.25, 1e-6);
  const torch::Tensor unknown = torch::full({3}, -1, torch::kLong);
  EXPECT_EQ(listwise_loss(scores, unknown).item<float>(), 0.0f);
}

TEST(Losses, PaddedChoicesGetNoGradient) {
  torch::Tensor scores = torch::tensor({{-1.0f, -2.0f, -kInfinity}}).requires_grad_(true);
  listwise_loss(scores, torch::tensor({1}, torch::kLong)).backward();

  EXPECT_TRUE(torch::isfinite(scores.grad()).all().item<bool>());
  EXPECT_EQ(scores.grad()[0][2].item<float>(), 0.0f);
}

TEST(Losses, BalanceIsZeroWhenAllAdaptersAreUsedAlikeAndLogNWhenOneIs) {
  EXPECT_NEAR(balance_loss(torch::full({4}, 0.25f)).item<double>(), 0, 1e-6);
  EXPECT_NEAR(balance_loss(torch::tensor({0.0f, 1.0f, 0.0f})).item<double>(), std::log(3.0), 1e-6);
}

TEST(Losses, KeyOverlapIsTheMeanSquaredCosine) {
  const torch::Tensor keys = torch::tensor({{2.0f, 0.0f}, {0.0f, 1.0f}, {3.0f, 3.0f}});
  EXPECT_NEAR(key_overlap(keys).item<double>(), (0.0 + 0.5 + 0.5) / 3, 1e-6);
  EXPECT_EQ(key_overlap(torch::ones({1, 4})).item<float>(), 0.0f);
}

TEST(NumberType, Bf16IsChosenOnlyWhereItIsClearlyFaster) {
  EXPECT_EQ(choose_number_type({.f32 = 100, .bf16 = 129}), NumberType::F32);
  EXPECT_EQ(choose_number_type({.f32 = 100, .bf16 = 131}), NumberType::Bf16);
  const NumberTypeTiming timing = time_number_types();
  EXPECT_GT(timing.f32, 0);
  EXPECT_GT(timing.bf16, 0);
  EXPECT_EQ(parse_number_type(to_string(NumberType::Bf16)), NumberType::Bf16);
  EXPECT_THAT([] { (void)parse_number_type("f16"); },
              Throws<Error>(Property(&Error::what, HasSubstr("'f16' is not known; expected f32"))));
}

}  // namespace
}  // namespace crayon
