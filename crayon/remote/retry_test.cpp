#include "crayon/remote/internal/retry.h"

#include <gtest/gtest.h>

namespace crayon {
namespace {

using namespace std::chrono_literals;
using Headers = std::map<std::string, std::string>;

const std::chrono::sys_seconds kThen{784111777s};  // 1994-11-06 08:49:37

TEST(HttpDate, ReadsAllThreeForms) {
  for (const char* text : {"Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT",
                           "Sun Nov  6 08:49:37 1994"}) {
    EXPECT_EQ(parse_http_date(text), kThen) << text;
  }
}

TEST(HttpDate, RefusesWhatIsNone) {
  for (const char* text : {"", "soon", "Sun, 06 Nov 1994 08:49:37", "Sun, 06 Nov 1994 08:49:37 CET",
                           "Sun, 31 Feb 1994 08:49:37 GMT", "Sun, 06 Foo 1994 08:49:37 GMT",
                           "Sun, 06 Nov 1994 25:49:37 GMT", "Sun, 06 Nov 99999999999 08:49:37 GMT",
                           "a b c d e f g h i j k l m"}) {
    EXPECT_FALSE(parse_http_date(text)) << text;
  }
}

TEST(RetryAfter, ReadsSecondsMillisecondsAndDates) {
  const std::chrono::system_clock::time_point now = kThen - 5s;
  EXPECT_EQ(retry_after({{"retry-after", " 3 "}}, now), 3000ms);
  EXPECT_EQ(retry_after({{"retry-after", "0.5"}}, now), 500ms);
  EXPECT_EQ(retry_after({{"retry-after", "7"}, {"retry-after-ms", "20"}}, now), 20ms);
  EXPECT_EQ(retry_after({{"retry-after", "Sun, 06 Nov 1994 08:49:37 GMT"}}, now), 5000ms);
  EXPECT_EQ(retry_after({{"retry-after", "Sun, 06 Nov 1994 08:49:37 GMT"},
                         {"date", "Sun, 06 Nov 1994 08:49:36 GMT"}},
                        now),
            1000ms)
      << "by the server's own clock";
}

TEST(RetryAfter, IsNeverNegativeNorBeyondADay) {
  const std::chrono::system_clock::time_point now = kThen + 5s;
  EXPECT_EQ(retry_after({{"retry-after", "-3"}}, now), 0ms);
  EXPECT_EQ(retry_after({{"retry-after", "Sun, 06 Nov 1994 08:49:37 GMT"}}, now), 0ms);
  EXPECT_EQ(retry_after({{"retry-after", "1e300"}}, now), 24h);
  for (const char* none : {"", "soon", "nan", "inf", "3s"}) {
    EXPECT_FALSE(retry_after({{"retry-after", none}}, now)) << none;
  }
  EXPECT_FALSE(retry_after({}, now));
}

TEST(WaitBefore, DoublesUpToTheLongestAndTakesHalfToAll) {
  const RetryOptions options{.retries = 9, .first_wait = 100ms, .longest_wait = 350ms};
  Rng rng(3);
  for (int i = 0; i < 200; ++i) {
    for (const auto& [round, most] : {std::pair(1, 100ms), {2, 200ms}, {3, 350ms}, {60, 350ms}}) {
      const auto wait = wait_before(round, options, {}, rng);
      EXPECT_LE(wait, most);
      EXPECT_GE(wait, most / 2);
    }
    const auto asked = wait_before(1, options, 20000ms, rng);
    EXPECT_GE(asked, 20000ms) << "never earlier than the server asks";
    EXPECT_LE(asked, 21000ms);
  }
}

}  // namespace
}  // namespace crayon
