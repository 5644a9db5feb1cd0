#include "crayon/remote/internal/breaker.h"

#include <gtest/gtest.h>

#include <thread>

namespace crayon {
namespace {

using namespace std::chrono_literals;

class BreakerTest : public testing::Test {
 protected:
  void fail(int times) {
    for (int i = 0; i < times; ++i) breaker.enter(now, now + 1min).value().bad(now);
  }
  bool open() { return !breaker.enter(now, now + 1min); }

  Breaker breaker{{.failures = 3, .first_rest = 1000ms, .longest_rest = 3000ms}, 1};
  Breaker::Time now{1h};
};

TEST_F(BreakerTest, LetsAllThroughWhileFailuresDoNotFollowEachOther) {
  for (int i = 0; i < 10; ++i) {
    fail(2);
    breaker.enter(now, now + 1min).value().good();
  }
  EXPECT_FALSE(open());
}

TEST_F(BreakerTest, LeavesAServerAloneAfterFailuresInARow) {
  fail(3);
  EXPECT_TRUE(open());
  now += 899ms;
  EXPECT_TRUE(open());
  now += 202ms;  // a rest is 90 to 110 % of what is asked for
  EXPECT_FALSE(open());
}

TEST_F(BreakerTest, LetsOneProbeThroughWhoseSuccessLetsAllThrough) {
  fail(3);
  now += 2s;
  auto probe = breaker.enter(now, now + 1min);
  ASSERT_TRUE(probe);
  EXPECT_TRUE(open()) << "one probe at a time";
  probe->good();
  for (int i = 0; i < 2; ++i) EXPECT_FALSE(open());
  EXPECT_EQ(breaker.failures(), 0);
}

TEST_F(BreakerTest, RestsTwiceAsLongEachTimeThatTheProbeFailsUpToALimit) {
  fail(3);
  for (const auto rest : {2000ms, 3000ms, 3000ms}) {
    now = breaker.rests_until();
    fail(1);
    const auto chosen = std::chrono::duration<double>(breaker.rests_until() - now).count();
    EXPECT_NEAR(chosen, std::chrono::duration<double>(rest).count(), 0.1001 * 3);
  }
}

TEST_F(BreakerTest, AProbeThatEndsWithoutAVerdictMakesRoomForAnother) {
  fail(3);
  now += 2s;
  { const auto probe = breaker.enter(now, now + 1min); }
  EXPECT_FALSE(open());
}

TEST_F(BreakerTest, AProbeThatNeverReturnsIsTakenForLost) {
  fail(3);
  now += 2s;
  const auto lost = breaker.enter(now, now + 1min);
  now += 61s;
  EXPECT_FALSE(open());
}

TEST_F(BreakerTest, AFailureThatBeganBeforeTheRestDoesNotLengthenIt) {
  auto old = breaker.enter(now, now + 1min);
  fail(3);
  const auto until = breaker.rests_until();
  now += 500ms;
  old->bad(now);
  EXPECT_EQ(breaker.rests_until(), until);
}

TEST_F(BreakerTest, HoldsOffAsLongAsTheServerAsks) {
  breaker.hold(now + 1min);
  EXPECT_TRUE(open());
  now += 1min;
  EXPECT_FALSE(open());
}

TEST_F(BreakerTest, ManyThreadsGetOneProbe) {
  fail(3);
  now += 2s;
  std::atomic<int> passed = 0;
  std::atomic<int> tried = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      const auto pass = breaker.enter(now, now + 1min);
      passed += pass.has_value();
      ++tried;
      while (tried < 8) std::this_thread::yield();  // the probe is held until all have asked
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(passed, 1);
}

}  // namespace
}  // namespace crayon
