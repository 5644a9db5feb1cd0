#include "crayon/stats/stats.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "crayon/base/random.h"
#include "tests/errors.h"

namespace crayon {
namespace {

using Labels = std::vector<std::uint8_t>;
using Values = std::vector<double>;
using test::BadInput;
using ::testing::DoubleNear;
using ::testing::Pointwise;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

TEST(Accuracy, IsTheShareOfRightAnswersWithItsBinomialError) {
  const Accuracy got = accuracy(Labels{1, 0, 1, 1});
  EXPECT_DOUBLE_EQ(got.accuracy, 0.75);
  EXPECT_DOUBLE_EQ(got.standard_error, std::sqrt(0.75 * 0.25 / 4));
  EXPECT_EQ(got.n, 4u);
  EXPECT_EQ(accuracy(Labels{1, 1}).standard_error, 0.0);
}

TEST(Bootstrap, CoversTheTrueMeanAboutAsOftenAsItsLevelSays) {
  Rng rng(7);
  int covered = 0;
  constexpr int kTrials = 400;
  for (int trial = 0; trial < kTrials; ++trial) {
    Values values(150);
    for (double& v : values) v = 2 + rng.normal();
    const Interval got = bootstrap_mean(values, 0.9, 300, static_cast<std::uint64_t>(trial));
    covered += got.low <= 2 && 2 <= got.high;
  }
  EXPECT_NEAR(covered / double{kTrials}, 0.9, 0.05);  // the deviation is 0.015
}

TEST(Bootstrap, IsAsWideAsTheNormalIntervalOfManyValues) {
  Rng rng(3);
  Values values(400);
  for (double& v : values) v = rng.normal();
  const Interval got = bootstrap_mean(values, 0.95, 4000, 1);
  EXPECT_NEAR(got.high - got.low, 2 * 1.96 / 20, 0.02);
  EXPECT_LT(got.low, got.mean);
  EXPECT_LT(got.mean, got.high);
}

TEST(Bootstrap, GivesTheSameForTheSameSeedAndANullIntervalForEqualValues) {
  const Values values{1, 2, 3, 10};
  EXPECT_EQ(bootstrap_mean(values, 0.9, 50, 4).low, bootstrap_mean(values, 0.9, 50, 4).low);
  const Interval flat = bootstrap_mean(Values{5, 5, 5}, 0.9, 50, 4);
  EXPECT_EQ(flat.low, 5);
  EXPECT_EQ(flat.high, 5);
}

// The oracle compares every positive with every negative.
double auroc_by_pairs(const Values& scores, const Labels& positive) {
  double sum = 0;
  double pairs = 0;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    for (std::size_t j = 0; j < scores.size(); ++j) {
      if (positive[i] == 0 || positive[j] != 0) continue;
      sum += scores[i] > scores[j] ? 1.0 : scores[i] == scores[j] ? 0.5 : 0.0;
      ++pairs;
    }
  }
  return sum / pairs;
}

TEST(Auroc, CountsTiesHalf) {
  // Positives .8 and .5, negatives .5 and .1: three pairs won, one tie.
  EXPECT_DOUBLE_EQ(auroc(Values{0.8, 0.5, 0.5, 0.1}, Labels{1, 1, 0, 0}), 3.5 / 4);
  EXPECT_DOUBLE_EQ(auroc(Values{1, 1, 1}, Labels{1, 0, 0}), 0.5);
  EXPECT_DOUBLE_EQ(auroc(Values{0.1, 0.9}, Labels{1, 0}), 0.0);
}

TEST(Auroc, EqualsTheShareOfPairsInOrder) {
  Rng rng(11);
  for (int trial = 0; trial < 20; ++trial) {
    Values scores(30);
    Labels positive(30);
    for (std::size_t i = 0; i < 30; ++i) {
      scores[i] = static_cast<double>(rng.below(8));
      positive[i] = rng.below(3) == 0;
    }
    positive[0] = 1;
    positive[1] = 0;
    EXPECT_NEAR(auroc(scores, positive), auroc_by_pairs(scores, positive), 1e-12);
  }
}

TEST(Auroc, IsOneHalfWhenAClassIsMissing) {
  EXPECT_EQ(auroc(Values{1, 2}, Labels{1, 1}), 0.5);
  EXPECT_EQ(auroc(Values{1, 2}, Labels{0, 0}), 0.5);
  EXPECT_EQ(auroc({}, {}), 0.5);
}

TEST(CalibrationError, IsTheMeanGapOfTheBins) {
  // Two bins: (.2, .4) with one right: |.5 - .3|; (.9, 1.0) both right: |1 - .95|; weights 1/2
  // each.
  const double got = expected_calibration_error(Values{0.2, 0.4, 0.9, 1.0}, Labels{0, 1, 1, 1}, 2);
  EXPECT_NEAR(got, 0.5 * 0.2 + 0.5 * 0.05, 1e-12);
}

TEST(CalibrationError, IsZeroForAConfidenceThatIsTheAccuracyAndOneForTheOpposite) {
  EXPECT_DOUBLE_EQ(expected_calibration_error(Values{0.5, 0.5}, Labels{0, 1}), 0.0);
  EXPECT_DOUBLE_EQ(expected_calibration_error(Values{1.0, 0.0}, Labels{0, 1}), 1.0);
}

TEST(CalibrationError, ByChanceIsTheMeanGapOfFairDraws) {
  const Values coin(100, 0.5);  // E|k - 50| / 100, k binomial(100, 1/2): 0.0398
  EXPECT_NEAR(calibration_error_by_chance(coin, 10, 4000, 1), 0.0398, 0.001);
  EXPECT_EQ(calibration_error_by_chance(Values{0, 1, 1}), 0.0);
  EXPECT_EQ(calibration_error_by_chance(coin, 10, 5, 3),
            calibration_error_by_chance(coin, 10, 5, 3));
}

TEST(Quantile, InterpolatesAsRsTypeSeven) {
  const Values values{4, 1, 3, 2};  // R: quantile(c(4,1,3,2), c(0,.1,.25,.5,.9,1))
  EXPECT_DOUBLE_EQ(quantile(values, 0.0), 1.0);
  EXPECT_NEAR(quantile(values, 0.1), 1.3, 1e-12);
  EXPECT_NEAR(quantile(values, 0.25), 1.75, 1e-12);
  EXPECT_NEAR(quantile(values, 0.5), 2.5, 1e-12);
  EXPECT_NEAR(quantile(values, 0.9), 3.7, 1e-12);
  EXPECT_DOUBLE_EQ(quantile(values, 1.0), 4.0);
  EXPECT_DOUBLE_EQ(quantile({7}, 0.3), 7.0);
}

TEST(LogSoftmax, IsTheLogOfTheSoftmaxAndStaysFiniteForLargeScores) {
  EXPECT_THAT(log_softmax(std::vector<float>{0.0f, std::log(3.0f)}),
              Pointwise(DoubleNear(1e-6), {std::log(0.25), std::log(0.75)}));
  EXPECT_THAT(log_softmax(std::vector<float>{1000.0f, 1000.0f, -1e30f}),
              Pointwise(DoubleNear(1e-6), {std::log(0.5), std::log(0.5), double{-1e30f}}));
  EXPECT_TRUE(log_softmax({}).empty());
}

class BadInputTest : public ::testing::TestWithParam<BadInput> {};

TEST_P(BadInputTest, IsOneClearError) {
  EXPECT_THAT(GetParam().call, test::error_of(ErrorCode::InvalidArgument, GetParam().what));
}

INSTANTIATE_TEST_SUITE_P(
    Cases, BadInputTest,
    ::testing::Values(
        BadInput{"accuracy: 0 answers", [] { (void)accuracy({}); }},
        BadInput{"bootstrap: 0 values", [] { (void)bootstrap_mean({}, 0.9, 10, 1); }},
        BadInput{"level 1;", [] { (void)bootstrap_mean(Values{1}, 1.0, 10, 1); }},
        BadInput{"0 resamples", [] { (void)bootstrap_mean(Values{1}, 0.9, 0, 1); }},
        BadInput{"value 1 of 2 is nan",
                 [] {
                   (void)bootstrap_mean(Values{1, kNaN}, 0.9, 9, 1);
                 }},
        BadInput{"auroc: 2 values and 1 labels",
                 [] {
                   (void)auroc(Values{1, 2}, Labels{1});
                 }},
        BadInput{"auroc: value 0", [] { (void)auroc(Values{kNaN}, Labels{1}); }},
        BadInput{"0 answers in 10 bins", [] { (void)expected_calibration_error({}, {}); }},
        BadInput{"1 answers in 0 bins",
                 [] { (void)expected_calibration_error(Values{1}, Labels{1}, 0); }},
        BadInput{"confidence 0 is 1.5",
                 [] { (void)expected_calibration_error(Values{1.5}, Labels{1}); }},
        BadInput{"confidence 0 is nan",
                 [] { (void)expected_calibration_error(Values{kNaN}, Labels{1}); }},
        BadInput{"by chance: 0 draws", [] { (void)calibration_error_by_chance(Values{1}, 10, 0); }},
        BadInput{"quantile: 0 values", [] { (void)quantile({}, 0.5); }},
        BadInput{"q is -0.1", [] { (void)quantile({1}, -0.1); }},
        BadInput{"quantile: value 0", [] { (void)quantile({kNaN}, 0.5); }}));

}  // namespace
}  // namespace crayon
