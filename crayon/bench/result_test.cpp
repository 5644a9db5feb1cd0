#include "crayon/bench/result.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "crayon/base/random.h"
#include "tests/corrupt/support.h"

namespace crayon {
namespace {

TEST(Result, IsRoundedToFourDigitsOnceAndForAll) {
  Rng rng(1);
  BenchResult result;
  for (const double size : {1e-4, 1.0, 30.0, 700.0, 1e4, 1e7}) {
    std::vector<float> row(200);
    for (float& x : row) x = static_cast<float>(size * rng.normal());
    result.scores.push_back(row);
  }
  result.calibrated = result.scores;
  result.weights = result.scores[1];
  const BenchResult raw = result;
  finish(result);
  for (std::size_t i = 0; i < raw.scores.size(); ++i) {
    for (std::size_t c = 0; c < raw.scores[i].size(); ++c) {
      const double x = double{result.scores[i][c]};
      const double error = std::abs(x - double{raw.scores[i][c]});
      EXPECT_LE(error, 5.1e-5 + 1e-7 * std::abs(x));
      EXPECT_EQ(static_cast<float>(rounded(x)), result.scores[i][c]) << "is what a report gives";
    }
  }
  EXPECT_EQ(result.weights, result.scores[1]);
  BenchResult again = result;
  finish(again);
  EXPECT_EQ(again.scores, result.scores);
  EXPECT_EQ(again.calibrated, result.calibrated);
}

TEST(Result, OfScoresThatAreEqualOnceRoundedTheFirstIsChosen) {
  BenchResult result;
  result.scores = {{-1.0f, -0.50002f, -0.50001f}, {-0.00001f, 0.00001f}};
  result.calibrated = result.scores;
  EXPECT_EQ(best_choice(result.scores[0]), 2);
  finish(result);
  EXPECT_EQ(best_choice(result.scores[0]), 1);
  EXPECT_EQ(best_choice(result.scores[1]), 0);
  EXPECT_FALSE(std::signbit(result.scores[1][0])) << "a report has no -0.0";
}

TEST(Result, RefusesAScoreThatIsNotFinite) {
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
    BenchResult result;
    result.scores = {{0.0f, bad}};
    test::expect_error([&] { finish(result); }, ErrorCode::Unavailable, "a score is");
  }
}

}  // namespace
}  // namespace crayon
