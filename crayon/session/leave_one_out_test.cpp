#include <gtest/gtest.h>

#include "crayon/session/internal/simulated_tasks.h"

namespace crayon {
namespace {

TEST(LeaveOneOut, OfTheBestOfManyIsOptimisticAndNestedIsNot) {
  for (const World& world : simulated_worlds().first(2)) {
    const auto got = simulate(world, 16, 24);
    EXPECT_GT(got[kInSample].gap, 0.06) << world.name << ": the head has seen the example";
    EXPECT_GT(got[kLeaveOneOut].gap, 0.02) << world.name << ": it was chosen for its few errors";
    EXPECT_LT(got[kNested].gap, got[kLeaveOneOut].gap - 0.03) << world.name;
    EXPECT_LT(got[kNested].gap, 0.06) << world.name;
  }
}

}  // namespace
}  // namespace crayon
