#include "crayon/cli/train_workers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "crayon/base/error.h"
#include "crayon/testing/random.h"

namespace crayon {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Property;
using testing::Throws;

/// Workers that do what a shell is told.
int run_shells(const std::string& script, int n) {
  return run_workers("/bin/sh", {"-c", script, "worker"}, n);
}

auto fails(const std::string& part, const std::string& other) {
  return Throws<Error>(AllOf(Property(&Error::code, ErrorCode::Unavailable),
                             Property(&Error::what, HasSubstr(part)),
                             Property(&Error::what, HasSubstr(other))));
}

TEST(RunWorkers, EachIsToldItsPlaceAndAllThePort) {
  const TemporaryFolder folder;
  const std::string out = folder.path() / "place";
  const std::string script = "echo $RANK $LOCAL_RANK $WORLD_SIZE $LOCAL_WORLD_SIZE $MASTER_ADDR " +
                             std::string("$MASTER_PORT $1 > ") + out + "$RANK";
  ASSERT_EQ(run_shells(script, 2), 0);
  for (const char* rank : {"0", "1"}) {
    std::ifstream in(out + rank);
    const std::vector<std::string> words{std::istream_iterator<std::string>(in), {}};
    ASSERT_EQ(words.size(), 7u);
    EXPECT_THAT(std::vector(words.begin(), words.begin() + 5),
                testing::ElementsAre(rank, rank, "2", "2", "127.0.0.1"));
    EXPECT_EQ(words[6], "--store-port=" + words[5]);
  }
}

TEST(RunWorkers, EndWithTheStatusOfTheOneThatFailed) {
  EXPECT_EQ(run_shells("test $RANK = 0 || exit 3", 2), 3);
}

TEST(RunWorkers, OneThatASignalEndedEndsTheOthersAndIsNamed) {
  EXPECT_THAT([] { (void)run_shells("test $RANK = 0 && exec sleep 600; kill -9 $$", 2); },
              fails("worker 1 of 2", "ended by signal 9"));
}

TEST(RunWorkers, AProgramThatCannotBeStartedIsNamed) {
  EXPECT_THAT([] { (void)run_workers("/nonexistent/trainer", {}, 2); },
              fails("/nonexistent/trainer", "cannot be started"));
}

}  // namespace
}  // namespace crayon
