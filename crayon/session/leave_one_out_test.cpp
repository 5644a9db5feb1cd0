#include <gtest/gtest.h>

#include "crayon/session/internal/simulated_tasks.h"

namespace crayon {
namespace {

TEST(LeaveOneOut, OfWhatIsKeptClaimsLittleMoreThanIsTrueAndNestedStillLess) {
  double left_out = 0;
  double nested = 0;
  for (const World& world : simulated_worlds()) {
    const auto got = simulate(world, 16, 24);
    EXPECT_GT(got[kInSample].gap, 0.02) << world.name << ": the head has seen the example";
    EXPECT_LT(got[kLeaveOneOut].gap, got[kInSample].gap - 0.02) << world.name;
    EXPECT_LT(got[kNested].gap, 0.06) << world.name;
    left_out += got[kLeaveOneOut].gap;
    nested += got[kNested].gap;
  }
  EXPECT_LT(nested, left_out) << "what is kept was chosen for its few errors";
}

}  // namespace
}  // namespace crayon
