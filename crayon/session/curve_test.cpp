#include "crayon/session/curve.h"

#include <gmock/gmock.h>

namespace crayon {
namespace {

QuestionDetail detail(double confidence, bool device, bool server, bool parsed = true) {
  QuestionDetail out;
  out.answer = 0;
  out.blended.confidence = confidence;
  out.blended.right = device;
  out.server.emplace();
  out.server->right = server;
  if (parsed) out.server->choice = server ? 0 : 1;
  return out;
}

TEST(ServerShareCurve, SendsTheLeastConfidentFirst) {
  Evaluation evaluation;
  evaluation.details = {detail(0.9, true, false), detail(0.1, false, true),
                        detail(0.5, false, true, false), detail(0.7, true, true)};
  evaluation.details.emplace_back();  // the server was not asked
  const auto curve = server_share_curve(evaluation);
  ASSERT_EQ(curve.size(), 5u);
  EXPECT_DOUBLE_EQ(curve[0].accuracy, 0.5);
  EXPECT_DOUBLE_EQ(curve[0].risk, 0.5);
  EXPECT_DOUBLE_EQ(curve[1].server_share, 0.25);
  EXPECT_DOUBLE_EQ(curve[1].accuracy, 0.75);
  EXPECT_DOUBLE_EQ(curve[2].accuracy, 0.75) << "a reply without a choice leaves the device's";
  EXPECT_DOUBLE_EQ(curve[2].risk, 0.25) << "and that is wrong";
  EXPECT_DOUBLE_EQ(curve[4].accuracy, 0.5) << "the device knew one better";
  EXPECT_DOUBLE_EQ(curve[1].threshold, 0.5);
}

TEST(ServerShareCurve, IsEmptyWithoutAServer) {
  Evaluation evaluation;
  evaluation.details.emplace_back();
  EXPECT_TRUE(server_share_curve(evaluation).empty());
}

}  // namespace
}  // namespace crayon
