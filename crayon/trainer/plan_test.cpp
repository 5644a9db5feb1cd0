#include "crayon/trainer/internal/plan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "crayon/base/error.h"

namespace crayon {
namespace {

std::vector<std::vector<int>> some_lengths() {
  std::vector<std::vector<int>> lengths(2);
  for (int i = 0; i < 37; ++i) lengths[0].push_back(5 + (i * 7) % 11);
  for (int i = 0; i < 20; ++i) lengths[1].push_back(30 + i);
  return lengths;
}

BatchPlan some_plan(std::uint64_t seed = 3) {
  return {some_lengths(), {3, 1}, {.seed = seed, .batch_tokens = 64}};
}

bool same(const PlannedBatch& a, const PlannedBatch& b) {
  return a.set == b.set && a.items == b.items && a.tilt == b.tilt;
}

TEST(BatchPlan, AnEpochHoldsEachItemOfASetOnce) {
  BatchPlan plan = some_plan();
  std::vector<std::size_t> seen;
  while (seen.size() < 37) {
    const PlannedBatch batch = plan.next();
    if (batch.set == 0) seen.insert(seen.end(), batch.items.begin(), batch.items.end());
  }
  std::sort(seen.begin(), seen.end());
  std::vector<std::size_t> want(37);
  std::iota(want.begin(), want.end(), std::size_t{0});
  EXPECT_EQ(seen, want);
}

TEST(BatchPlan, BatchesStayWithinTheirTokensOrHoldOneItem) {
  BatchPlan plan = some_plan();
  const auto lengths = some_lengths();
  for (int i = 0; i < 100; ++i) {
    const PlannedBatch batch = plan.next();
    int tokens = 0;
    for (const auto item : batch.items) tokens += lengths[batch.set][item];
    EXPECT_TRUE(tokens <= 64 || batch.items.size() == 1) << tokens;
  }
}

TEST(BatchPlan, SetsComeInProportionToTheirWeights) {
  BatchPlan plan = some_plan();
  int first = 0;
  for (int i = 0; i < 4000; ++i) first += plan.next().set == 0 ? 1 : 0;
  EXPECT_NEAR(first / 4000.0, 0.75, 0.03);  // four standard errors
}

TEST(BatchPlan, TiltIsZeroInTheAskedShareAndElseUniform) {
  BatchPlan plan = some_plan();
  int zero = 0;
  double sum = 0;
  for (int i = 0; i < 4000; ++i) {
    const double tilt = plan.next().tilt;
    zero += tilt == 0 ? 1 : 0;
    sum += tilt;
  }
  EXPECT_NEAR(zero / 4000.0, 0.3, 0.03);
  EXPECT_NEAR(sum / (4000 - zero), 0.5, 0.03);
}

TEST(BatchPlan, TheNearestIsDroppedInTheAskedShareAndElseNothingChanges) {
  BatchPlan plan(some_lengths(), {3, 1}, {.seed = 3, .batch_tokens = 64, .drop_nearest = 0.25});
  int dropped = 0;
  for (int i = 0; i < 4000; ++i) dropped += plan.next().drop_nearest ? 1 : 0;
  EXPECT_NEAR(dropped / 4000.0, 0.25, 0.03);
  BatchPlan none = some_plan();
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(none.next().drop_nearest);
}

TEST(BatchPlan, TiltIsOneWithoutModulation) {
  BatchPlan plan({{1, 2, 3}}, {1}, {.modulated = false});
  for (int i = 0; i < 10; ++i) EXPECT_EQ(plan.next().tilt, 1);
}

TEST(BatchPlan, GoesOnFromAStateAsIfNeverStopped) {
  BatchPlan plan = some_plan();
  for (int i = 0; i < 53; ++i) (void)plan.next();
  BatchPlan other = some_plan();
  other.set_state(plan.state());
  for (int i = 0; i < 200; ++i) ASSERT_TRUE(same(plan.next(), other.next())) << i;
}

TEST(BatchPlan, AnotherSeedGivesAnotherOrder) {
  BatchPlan a = some_plan(3), b = some_plan(4);
  int equal = 0;
  for (int i = 0; i < 20; ++i) equal += same(a.next(), b.next()) ? 1 : 0;
  EXPECT_LT(equal, 20);
}

TEST(BatchPlan, RefusesAStateOfOtherSetsOrPastAnEpoch) {
  BatchPlan plan = some_plan();
  PlanState fewer = plan.state();
  fewer.cursors.pop_back();
  EXPECT_THROW(plan.set_state(fewer), Error);
  PlanState past = plan.state();
  past.cursors[0] = 1000;
  EXPECT_THROW(plan.set_state(past), Error);
}

TEST(RateFactor, RisesToOneAndFallsToTheLeastRate) {
  TrainLoopConfig train;
  train.warmup = 0.2;
  train.least_rate = 0.1;
  EXPECT_DOUBLE_EQ(rate_factor(train, 0), 0);
  EXPECT_DOUBLE_EQ(rate_factor(train, 0.1), 0.5);
  EXPECT_DOUBLE_EQ(rate_factor(train, 0.2), 1);
  EXPECT_NEAR(rate_factor(train, 0.6), 0.55, 1e-12);  // half-way down: (1 + 0.1) / 2
  EXPECT_NEAR(rate_factor(train, 1), 0.1, 1e-12);
  EXPECT_NEAR(rate_factor(train, 1.5), 0.1, 1e-12);
}

}  // namespace
}  // namespace crayon
