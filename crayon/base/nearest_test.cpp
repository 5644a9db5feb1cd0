#include "crayon/base/nearest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace crayon {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(EditDistance, CountsInsertionsDeletionsAndReplacements) {
  EXPECT_EQ(edit_distance("", ""), 0u);
  EXPECT_EQ(edit_distance("", "abc"), 3u);
  EXPECT_EQ(edit_distance("abc", ""), 3u);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3u);
  EXPECT_EQ(edit_distance("flaw", "lawn"), 2u);
}

TEST(NearestNames, AreNearestFirstAndLeaveStrangersOut) {
  const std::vector<std::string> known = {"fetch", "path", "list", "patch", "0123456789"};
  EXPECT_THAT(nearest_names("pathc", known), ElementsAre("path", "patch"));
  EXPECT_THAT(nearest_names("pathc", known, 1), ElementsAre("path"));
  EXPECT_THAT(nearest_names("zzzzzz", known), IsEmpty());
}

TEST(NearestNames, KnowALongNameByAPartOfIt) {
  const std::vector<std::string> known = {"qwen2.5-coder-0.5b-instruct", "smollm2-135m-instruct"};
  EXPECT_THAT(nearest_names("smollm2", known), ElementsAre("smollm2-135m-instruct"));
  EXPECT_THAT(nearest_names("", known), IsEmpty());
}

}  // namespace
}  // namespace crayon
