#include "crayon/store/decisions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "crayon/base/error.h"
#include "crayon/store/internal/support_for_tests.h"

namespace crayon {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;
using testing::Property;
using testing::Throws;
using testing::UnorderedElementsAre;

std::chrono::system_clock::time_point time_of(std::int64_t seconds) {
  return std::chrono::system_clock::time_point(std::chrono::seconds(seconds));
}

class DecisionLog : public testing::Test {
 protected:
  DecisionRecord record(const std::string& id) const {
    return {.id = id,
            .task = "mail",
            .server = false,
            .reason = "confident",
            .choices = true,
            .top = 0.75,
            .margin = 0.5,
            .entropy = 0.25,
            .confidence = 0.875,
            .scope = 0.0625,
            .score = 0.9,
            .threshold = 0.3,
            .prompt_tokens = 10,
            .completion_tokens = 2,
            .seconds = 0.5,
            .money = 0,
            .saved = 40};
  }

  StoreFolder folder_;
  std::int64_t now_ = kNoon;
  Store store_{folder_.file(), at(now_)};
};

TEST_F(DecisionLog, IdsAreSixteenDigitsAndNeverTheSame) {
  const std::string id = new_decision_id();
  EXPECT_THAT(id, testing::MatchesRegex("[0-9a-f]{16}"));
  EXPECT_NE(id, new_decision_id());
}

TEST_F(DecisionLog, GivesBackTheLastDecisionsOfATaskOldestFirst) {
  for (int k = 0; k < 6; ++k) {
    now_ = kNoon + k;
    DecisionRecord one = record("00000000000000a" + std::to_string(9 - k));
    one.score = k;
    if (k == 4) one.task = "other";
    store_.add(one);
  }
  const auto got = store_.recent("mail", 3);
  ASSERT_EQ(got.size(), 3u);
  EXPECT_EQ(got[0].score, 2);
  EXPECT_EQ(got[1].score, 3);
  EXPECT_EQ(got[2].score, 5);
  EXPECT_EQ(got[2].margin, 0.5);
  EXPECT_TRUE(store_.recent("none", 3).empty());
}

TEST_F(DecisionLog, GivesBackOneByItsIdOrThatsFirstDigits) {
  store_.add(record("00000000000000a1"));
  store_.add(record("abcd0000000000a2"));
  EXPECT_EQ(store_.decision("abcd").id, "abcd0000000000a2");
  EXPECT_EQ(store_.decision("abcd").task, "mail");
  EXPECT_THAT([&] { (void)store_.decision("ffff"); },
              Throws<Error>(Property(&Error::code, ErrorCode::NotFound)));
}

TEST_F(DecisionLog, GivesBackEveryNumberOfAMarkedDecision) {
  store_.add(record("00000000000000a1"));
  store_.mark("00000000000000a1", true);
  const auto judged = store_.judged("mail");
  ASSERT_EQ(judged.size(), 1u);
  const DecisionRecord& got = judged[0].record;
  const DecisionRecord want = record("00000000000000a1");
  EXPECT_TRUE(judged[0].good);
  EXPECT_EQ(got.id, want.id);
  EXPECT_EQ(got.reason, want.reason);
  EXPECT_TRUE(got.choices);
  EXPECT_THAT((std::vector{got.top, got.margin, got.entropy, got.confidence, *got.scope, got.score,
                           got.threshold, got.seconds}),
              ElementsAre(0.75, 0.5, 0.25, 0.875, 0.0625, 0.9, 0.3, 0.5));
  EXPECT_EQ(got.prompt_tokens, 10);
  EXPECT_EQ(got.completion_tokens, 2);
  EXPECT_EQ(got.saved, 40);
  EXPECT_TRUE(store_.judged("another task").empty());
}

TEST_F(DecisionLog, SumsUpByTaskTimeSideAndReason) {
  DecisionRecord server = record("00000000000000a2");
  server.server = true;
  server.reason = "unsure";
  server.money = 70;
  server.saved = 0;
  DecisionRecord other = record("00000000000000a3");
  other.task = "other";
  store_.add(record("00000000000000a1"));
  now_ += 100;
  store_.add(server);
  store_.add(other);
  store_.mark("00000000000000a1", false);
  store_.mark("00000000000000a2", true);

  const DecisionStatistics all = store_.statistics(time_of(0));
  EXPECT_EQ(all.device.answers, 2);
  EXPECT_EQ(all.device.prompt_tokens, 20);
  EXPECT_EQ(all.device.wrong, 1);
  EXPECT_EQ(all.device.right, 0);
  EXPECT_EQ(all.server.answers, 1);
  EXPECT_EQ(all.server.right, 1);
  EXPECT_EQ(all.server.seconds, 0.5);
  EXPECT_EQ(all.money, 70);
  EXPECT_EQ(all.saved, 80);
  EXPECT_THAT(all.reasons, UnorderedElementsAre(Pair("confident", 2), Pair("unsure", 1)));
  EXPECT_EQ(store_.statistics(time_of(now_)).device.answers, 1) << "the first is older";
  EXPECT_EQ(store_.statistics(time_of(0), "mail").device.answers, 1);
  EXPECT_EQ(store_.statistics(time_of(now_ + 1)).device.answers, 0);
}

TEST_F(DecisionLog, TheLastMarkCounts) {
  store_.add(record("00000000000000a1"));
  store_.mark("00000000000000a1", false);
  store_.mark("00000000000000a1", true);
  const auto judged = store_.judged("mail");
  ASSERT_EQ(judged.size(), 1u);
  EXPECT_TRUE(judged[0].good);
}

TEST_F(DecisionLog, AFewDigitsOfAnIdAreEnoughWhereNoOtherBeginsSo) {
  store_.add(record("abcd000000000000"));
  store_.add(record("abce000000000000"));
  EXPECT_EQ(store_.mark("abcd", true), "abcd000000000000");
  store_.add(record("abcdf00000000000"));
  const auto fails = [](ErrorCode code, const std::string& what) {
    return Throws<Error>(
        AllOf(Property(&Error::code, code), Property(&Error::what, HasSubstr(what))));
  };
  EXPECT_THAT([&] { store_.mark("abcd", true); },
              fails(ErrorCode::InvalidArgument, "begins several ids"));
  EXPECT_THAT([&] { store_.mark("ffff", true); }, fails(ErrorCode::NotFound, "no answer 'ffff'"));
  EXPECT_THAT([&] { store_.mark("abc", true); }, fails(ErrorCode::InvalidArgument, "4 to 16"));
  EXPECT_THAT([&] { store_.mark("a%' OR", true); }, fails(ErrorCode::InvalidArgument, "no id"));
}

TEST_F(DecisionLog, RefusesWhatIsNoDecision) {
  DecisionRecord odd = record("00000000000000a1");
  odd.margin = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THROW(store_.add(odd), Error);
  EXPECT_THROW(store_.add(record("my question")), Error);
  store_.add(record("00000000000000a1"));
  EXPECT_THROW(store_.add(record("00000000000000a1")), Error);
  EXPECT_EQ(store_.statistics(time_of(0)).device.answers, 1);
}

TEST_F(DecisionLog, ForgetsWhatIsOlderThanFourHundredDaysWithItsMarks) {
  store_.add(record("00000000000000a1"));
  store_.mark("00000000000000a1", true);
  now_ += 401 * kDay;
  Store later(folder_.file(), at(now_));
  EXPECT_EQ(later.statistics(time_of(0)).device.answers, 0);
  EXPECT_TRUE(later.judged("mail").empty());
}

}  // namespace
}  // namespace crayon
