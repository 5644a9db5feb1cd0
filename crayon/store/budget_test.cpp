#include "crayon/store/budget.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "crayon/base/error.h"
#include "crayon/store/internal/support_for_tests.h"

namespace crayon {
namespace {

using testing::HasSubstr;

class BudgetTest : public testing::Test {
 protected:
  Reservation reserve(const BudgetLimits& limits, const Amount& amount) {
    return store_->reserve(limits, amount);
  }
  void restart() {
    store_.reset();
    store_ = std::make_unique<Store>(folder_.file(), at(now_));
  }

  StoreFolder folder_;
  std::int64_t now_ = kNoon;
  std::unique_ptr<Store> store_ = std::make_unique<Store>(folder_.file(), at(now_));
};

TEST_F(BudgetTest, GrantsUntilALimitIsReachedAndThenNamesIt) {
  const BudgetLimits limits{.daily = {.calls = 2}};
  EXPECT_TRUE(reserve(limits, {.calls = 1}).granted);
  EXPECT_TRUE(reserve(limits, {.calls = 1}).granted);
  const Reservation third = reserve(limits, {.calls = 1});
  EXPECT_FALSE(third.granted);
  EXPECT_EQ(third.why, "daily calls (2 of 2)");
  EXPECT_EQ(store_->spending().today.calls, 2) << "a refusal sets nothing aside";
}

TEST_F(BudgetTest, EachKindOfLimitCountsForItself) {
  const Amount wanted{.calls = 1, .tokens = 100, .money = kMoneyUnit / 2};
  EXPECT_TRUE(reserve({.daily = {.tokens = 100}}, wanted).granted);
  EXPECT_EQ(reserve({.daily = {.tokens = 199}}, wanted).why,
            "daily tokens (100 of 199, 100 more asked)");
  EXPECT_EQ(reserve({.monthly = {.money = kMoneyUnit * 3 / 4}}, wanted).why,
            "monthly money (0.5 of 0.75, 0.5 more asked)");
  EXPECT_TRUE(
      reserve({.monthly = {.calls = 2, .tokens = 200, .money = kMoneyUnit}}, wanted).granted);
}

TEST_F(BudgetTest, ALimitOfZeroForbidsAndNoLimitAllows) {
  EXPECT_FALSE(reserve({.monthly = {.calls = 0}}, {.calls = 1}).granted);
  EXPECT_FALSE(reserve({.daily = {.money = 0}}, {.calls = 1, .money = 1}).granted);
  EXPECT_TRUE(reserve({}, {.calls = 1, .tokens = 1'000'000}).granted);
}

TEST_F(BudgetTest, SettlingReplacesWhatWasSetAside) {
  const BudgetLimits limits{.daily = {.tokens = 300}};
  const Reservation first = reserve(limits, {.calls = 1, .tokens = 300});
  EXPECT_FALSE(reserve(limits, {.calls = 1, .tokens = 10}).granted);
  store_->settle(first, {.calls = 1, .tokens = 120});
  store_->settle(first, {.calls = 1, .tokens = 120});  // a second time changes nothing
  EXPECT_EQ(store_->spending().today.tokens, 120);
  EXPECT_EQ(store_->spending().month.tokens, 120);
  EXPECT_TRUE(reserve(limits, {.calls = 1, .tokens = 180}).granted);
}

TEST_F(BudgetTest, ACallThatCostMoreThanWasSetAsideIsChargedInFull) {
  const BudgetLimits limits{.daily = {.tokens = 300}};
  store_->settle(reserve(limits, {.calls = 1, .tokens = 10}), {.calls = 1, .tokens = 1000});
  EXPECT_EQ(store_->spending().today.tokens, 1000);
  EXPECT_FALSE(reserve(limits, {.calls = 1, .tokens = 1}).granted);
}

TEST_F(BudgetTest, SurvivesARestartAndCountsWhatADeadProcessHadSetAside) {
  const BudgetLimits limits{.daily = {.calls = 2}};
  store_->settle(reserve(limits, {.calls = 1}), {.calls = 1});
  (void)reserve(limits, {.calls = 1});  // never settled
  restart();
  EXPECT_EQ(store_->spending().unsettled, 1);
  EXPECT_FALSE(reserve(limits, {.calls = 1}).granted);
}

TEST_F(BudgetTest, WhatWasNeverSettledIsToldUntilItsMonthIsOver) {
  (void)reserve({}, {.calls = 1});
  now_ += kDay;
  EXPECT_EQ(store_->spending().unsettled, 1);
  now_ += 3 * kDay;  // 1 December: it weighs on no budget any more
  EXPECT_EQ(store_->spending().unsettled, 0);
}

TEST_F(BudgetTest, ANewDayAndANewMonthBeginAtZero) {
  const BudgetLimits limits{.daily = {.calls = 1}, .monthly = {.calls = 2}};
  EXPECT_TRUE(reserve(limits, {.calls = 1}).granted);
  EXPECT_EQ(reserve(limits, {.calls = 1}).why, "daily calls (1 of 1)");
  now_ += kDay;
  EXPECT_TRUE(reserve(limits, {.calls = 1}).granted);
  now_ += kDay;
  EXPECT_EQ(reserve(limits, {.calls = 1}).why, "monthly calls (2 of 2)");
  now_ += 2 * kDay;  // 1 December
  EXPECT_TRUE(reserve(limits, {.calls = 1}).granted);
}

TEST_F(BudgetTest, ACallOverMidnightIsSettledInTheDayThatItWasSetAsideIn) {
  const Reservation late = reserve({}, {.calls = 1, .tokens = 100});
  now_ += kDay;
  store_->settle(late, {.calls = 1, .tokens = 40});
  EXPECT_EQ(store_->spending().today.tokens, 0);
  EXPECT_EQ(store_->spending().month.tokens, 40);
}

TEST_F(BudgetTest, RefusesAmountsThatMakeNoSense) {
  EXPECT_THROW((void)reserve({}, {.calls = -1}), Error);
  EXPECT_THROW((void)reserve({}, {.tokens = std::int64_t{1} << 60}), Error);
  const Reservation good = reserve({}, {.calls = 1, .tokens = 5});
  EXPECT_THROW(store_->settle(good, {.calls = 1, .tokens = -5}), Error);
  EXPECT_EQ(store_->spending().today.tokens, 5);
}

}  // namespace
}  // namespace crayon
