#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "crayon/base/error.h"
#include "crayon/http/client.h"

namespace crayon {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Events = std::vector<std::string>;

Events parse(const std::vector<std::string>& pieces) {
  Events events;
  SseParser parser;
  for (const auto& piece : pieces) {
    parser.feed(piece, [&](std::string_view data) {
      events.emplace_back(data);
      return true;
    });
  }
  return events;
}

const std::string kMixed =
    "\xEF\xBB\xBF: a comment\r\n"
    "event: message\r\nid: 7\r\ndata: one\r\n\r\n"
    "data:two\ndata:  with a space\n\n"
    "retry: 10\n\n"
    "data\r\rdata: \xC3\xA9\r\r"
    "datax: no\n\n"
    "data: unfinished";
const Events kMixedEvents = {"one", "two\n with a space", "", "\xC3\xA9"};

TEST(SseParser, ReadsAllLineEndsCommentsAndManyLineData) {
  EXPECT_EQ(parse({kMixed}), kMixedEvents);
}

TEST(SseParser, GivesTheSameEventsWhereverTheStreamIsSplit) {
  for (std::size_t i = 0; i <= kMixed.size(); ++i) {
    for (std::size_t j = i; j <= kMixed.size(); ++j) {
      const Events got = parse({kMixed.substr(0, i), kMixed.substr(i, j - i), kMixed.substr(j)});
      ASSERT_EQ(got, kMixedEvents) << "split at " << i << " and " << j;
    }
  }
}

TEST(SseParser, GivesTheSameEventsByteByByte) {
  std::vector<std::string> bytes;
  for (const char c : kMixed) bytes.emplace_back(1, c);
  EXPECT_EQ(parse(bytes), kMixedEvents);
}

TEST(SseParser, HoldsAnEventBackUntilItsBlankLine) {
  EXPECT_THAT(parse({"data: a\n"}), IsEmpty());
  EXPECT_THAT(parse({"data: a\n", "\n"}), ElementsAre("a"));
}

TEST(SseParser, StopsForGoodWhenTheReceiverSaysSo) {
  SseParser parser;
  int calls = 0;
  const auto once = [&](std::string_view) { return ++calls < 1; };
  EXPECT_FALSE(parser.feed("data: a\n\ndata: b\n\n", once));
  EXPECT_FALSE(parser.feed("data: c\n\n", once));
  EXPECT_EQ(calls, 1);
}

TEST(SseParser, RefusesALineOrAnEventBeyondTheCap) {
  const auto ignore = [](std::string_view) { return true; };
  SseParser line(100);
  EXPECT_TRUE(line.feed(std::string(100, 'x'), ignore));
  EXPECT_THROW(line.feed("y", ignore), Error);

  SseParser event(100);
  EXPECT_TRUE(event.feed("data: " + std::string(90, 'x') + "\n", ignore));
  EXPECT_THROW(event.feed("data: " + std::string(90, 'x') + "\n", ignore), Error);
}

}  // namespace
}  // namespace crayon
