#include "crayon/stats/paired.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "crayon/base/random.h"
#include "crayon/stats/internal/mean_draws.h"
#include "crayon/stats/internal/two_way_draws.h"
#include "tests/errors.h"

namespace crayon {
namespace {

using Tasks = std::vector<TaskScores>;
using Values = std::vector<double>;
using test::BadInput;
using ::testing::DoubleNear;
using ::testing::ElementsAre;
using ::testing::Pointwise;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

/// A world in which right means that a normal variable is above 0: the sum of the task's level, the
/// question's ease, the seed's luck and noise of each answer, with these variances.
struct World {
  std::size_t tasks = 12;
  std::size_t questions = 150;
  std::size_t seeds = 3;
  double shared_ease = 0.7;  ///< Of a question for both methods.
  double own_ease = 0.3;     ///< Of a question for one method.
  double luck = 0.05;
  double noise = 0.3;

  [[nodiscard]] double level(std::size_t task) const {
    return -0.5 + 1.5 * static_cast<double>(task) / static_cast<double>(tasks);
  }
  /// The chance of a right answer over all questions and seeds.
  [[nodiscard]] double accuracy(std::size_t task, double gain) const {
    const double deviation = std::sqrt(shared_ease + own_ease + luck + noise);
    return 0.5 * std::erfc(-(level(task) + gain) / deviation / std::sqrt(2.0));
  }
  [[nodiscard]] double mean_accuracy(double gain) const {
    double sum = 0;
    for (std::size_t t = 0; t < tasks; ++t) sum += accuracy(t, gain);
    return sum / static_cast<double>(tasks);
  }
};

TaskScores answers(const World& world, double level, const Values& ease, Rng& rng) {
  TaskScores right(world.seeds, Values(ease.size()));
  Values own(ease.size());
  for (double& x : own) x = std::sqrt(world.own_ease) * rng.normal();
  for (Values& row : right) {
    const double luck = std::sqrt(world.luck) * rng.normal();
    for (std::size_t q = 0; q < ease.size(); ++q) {
      const double noise = std::sqrt(world.noise) * rng.normal();
      row[q] = level + ease[q] + own[q] + luck + noise > 0 ? 1 : 0;
    }
  }
  return right;
}

struct Methods {
  Tasks x;
  Tasks y;
};

/// Both methods on the same questions; x is better by `gain`.
Methods answers_of_two(const World& world, double gain, Rng& rng) {
  Methods methods;
  for (std::size_t t = 0; t < world.tasks; ++t) {
    Values ease(world.questions);
    for (double& x : ease) x = std::sqrt(world.shared_ease) * rng.normal();
    methods.x.push_back(answers(world, world.level(t) + gain, ease, rng));
    methods.y.push_back(answers(world, world.level(t), ease, rng));
  }
  return methods;
}

/// What came out of many simulated benchmarks.
struct Coverage {
  double single = 0;       ///< Share of bands of x that hold its true accuracy.
  double paired = 0;       ///< Share of bands of x - y that hold the true difference.
  double significant = 0;  ///< Share of p-values of x - y below 0.05.
  double deviation = 0;    ///< Of the means of x around the truth,
  double error = 0;        ///< and the root mean square of their standard errors.
};

bool holds(const TwoWayEstimate& estimate, double truth) {
  return estimate.low <= truth && truth <= estimate.high;
}

Coverage simulate(const World& world, double gain, int runs) {
  const double truth = world.mean_accuracy(gain);
  const double true_difference = truth - world.mean_accuracy(0);
  Coverage sum;
  for (int run = 0; run < runs; ++run) {
    Rng rng(static_cast<std::uint64_t>(run), "simulated benchmark");
    const Methods methods = answers_of_two(world, gain, rng);
    const TwoWayOptions options{.resamples = 1000, .seed = static_cast<std::uint64_t>(run)};
    const auto single = two_way_bootstrap(methods.x, options);
    const auto paired = two_way_bootstrap(paired_differences(methods.x, methods.y), options);
    sum.single += holds(single, truth) / double(runs);
    sum.paired += holds(paired, true_difference) / double(runs);
    sum.significant += (paired.p_value < 0.05) / double(runs);
    sum.deviation += std::pow(single.mean - truth, 2) / runs;
    sum.error += std::pow(single.standard_error, 2) / runs;
  }
  sum.deviation = std::sqrt(sum.deviation);
  sum.error = std::sqrt(sum.error);
  return sum;
}

// 1,000 runs know a coverage of 95 % with a deviation of 0.7 points.
TEST(TwoWayBootstrap, CoversTheTruthInNineteenOfTwentySimulatedBenchmarks) {
  const Coverage got = simulate({}, 0.1, 1000);
  EXPECT_GE(got.single, 0.93);
  EXPECT_LE(got.single, 0.97);
  EXPECT_GE(got.paired, 0.93);
  EXPECT_LE(got.paired, 0.97);
  EXPECT_NEAR(got.error / got.deviation, 1, 0.07);
}

TEST(TwoWayBootstrap, CallsAMethodThatIsNoBetterDifferentInAtMostSixOfAHundred) {
  const Coverage got = simulate({}, 0, 1000);
  EXPECT_LE(got.significant, 0.06);
  EXPECT_GE(got.significant, 0.02) << "too cautious to find anything";
}

// A single task of three seeds whose luck outweighs all else: Student's t of two degrees of
// freedom.
TEST(TwoWayBootstrap, CoversTheTruthOfASingleTaskHoweverLuckyItsSeeds) {
  for (const double luck : {0.02, 0.3}) {
    const Coverage got = simulate({.tasks = 1, .luck = luck}, 0, 500);
    EXPECT_GE(got.single, 0.93) << luck;
    EXPECT_GE(got.paired, 0.93) << luck;
    EXPECT_LE(got.significant, 0.07) << luck;
  }
}

TEST(TwoWayBootstrap, FindsAMethodThatIsBetter) {
  EXPECT_GE(simulate({}, 0.3, 20).significant, 0.95);
}

// Worked by hand: mean 5/8; row means 1/2, 3/4; column means 1, 1/2, 1, 0; residuals +-1/8 and, in
// column 1, +-3/8: var(b)/Q = 0.6875 / 12, and var(a)/S = 1/64 is all noise, e/SQ = 0.375 / 3 / 8.
TEST(TwoWayBootstrap, HasTheStandardErrorOfItsFormula) {
  const Tasks task{{{1, 0, 1, 0}, {1, 1, 1, 0}}};
  const auto got = two_way_bootstrap(task, {.resamples = 10});
  EXPECT_DOUBLE_EQ(got.mean, 0.625);
  EXPECT_NEAR(got.standard_error, std::sqrt(0.6875 / 12), 1e-12);
}

// The first row of the same answers is 3 higher: var(a)/S = 2 * (11/8)^2 / 2 where it was 1/64.
TEST(TwoWayBootstrap, CountsWhatSeedsAddBeyondTheNoiseOfAnswers) {
  const Tasks task{{{4, 3, 4, 3}, {1, 1, 1, 0}}, {{1, 0}}};
  const auto got = two_way_bootstrap(task, {.resamples = 10});
  const double first = 0.6875 / 12 + 121.0 / 64 - 1.0 / 64;
  const double second = 0.5 / 2;  // b is +-1/2, its variance 1/2
  EXPECT_DOUBLE_EQ(got.mean, (2.125 + 0.5) / 2);
  EXPECT_NEAR(got.standard_error, std::sqrt(first + second) / 2, 1e-12);
}

TEST(TwoWayBootstrap, OfOneSeedIsTheBandOfTheQuestions) {
  Values row(400);
  Rng rng(1);
  for (double& x : row) x = rng.below(10) < 7 ? 1 : 0;
  const Tasks once{{row}};
  const auto got = two_way_bootstrap(once);
  EXPECT_NEAR(got.standard_error, std::sqrt(got.mean * (1 - got.mean) / 399), 1e-12);
  EXPECT_NEAR(got.high - got.low, 2 * 1.96 * got.standard_error, 0.004);  // steps of 1/400

  const Tasks repeated{{row, row, row}};
  const auto same = two_way_bootstrap(repeated);
  EXPECT_NEAR(same.standard_error, got.standard_error, 1e-12);
  EXPECT_NEAR(same.low, got.low, 0.003);
  EXPECT_NEAR(same.high, got.high, 0.003);
}

TEST(TwoWayBootstrap, GivesTheSameForTheSameSeedAndAWiderBandForAHigherLevel) {
  Rng rng(3);
  const Tasks tasks = answers_of_two({.tasks = 2}, 0, rng).x;
  const auto once = two_way_bootstrap(tasks, {.resamples = 500, .seed = 8});
  const auto again = two_way_bootstrap(tasks, {.resamples = 500, .seed = 8});
  EXPECT_EQ(once.low, again.low);
  EXPECT_EQ(once.high, again.high);
  EXPECT_EQ(once.p_value, again.p_value);
  EXPECT_NE(once.low, two_way_bootstrap(tasks, {.resamples = 500, .seed = 9}).low);
  EXPECT_LT(two_way_bootstrap(tasks, {.level = 0.99, .resamples = 500, .seed = 8}).low, once.low);
}

TEST(TwoWayBootstrap, TestsTheMeanAgainstTheNullMean) {
  Rng rng(3);
  const Tasks tasks = answers_of_two({.tasks = 2}, 0, rng).x;
  const double mean = two_way_bootstrap(tasks, {.resamples = 999}).mean;
  EXPECT_EQ(two_way_bootstrap(tasks, {.resamples = 999, .null_mean = mean}).p_value, 1.0);
  EXPECT_EQ(two_way_bootstrap(tasks, {.resamples = 999, .null_mean = 9}).p_value, 0.001);
}

TEST(TwoWayBootstrap, OfAnswersThatAreAllRightHasNoWidth) {
  const Tasks all_right{{{1, 1, 1}, {1, 1, 1}}, {{1, 1}}};
  const auto got = two_way_bootstrap(all_right, {.resamples = 99});
  EXPECT_EQ(got.mean, 1.0);
  EXPECT_EQ(got.low, 1.0);
  EXPECT_EQ(got.high, 1.0);
  EXPECT_EQ(got.standard_error, 0.0);
  EXPECT_EQ(got.p_value, 0.01);
  const auto same = two_way_bootstrap(paired_differences(all_right, all_right), {.resamples = 99});
  EXPECT_EQ(same.mean, 0.0);
  EXPECT_EQ(same.p_value, 1.0);
}

/// Whole numbers and others, of several seeds and of one.
Tasks tasks_of_all_kinds() {
  Rng rng(4);
  Tasks tasks = answers_of_two({.tasks = 3, .questions = 40}, 0, rng).x;
  tasks.push_back(answers_of_two({.tasks = 1, .seeds = 1}, 0, rng).x[0]);
  tasks.push_back({{0.25, 1.5, 0}, {0.5, 0, 0}});
  return tasks;
}

bool equal(const TwoWayEstimate& a, const TwoWayEstimate& b) {
  return a.mean == b.mean && a.low == b.low && a.high == b.high &&
         a.standard_error == b.standard_error && a.p_value == b.p_value;
}

TEST(TwoWayBootstrap, OfManyGroupsGivesWhatACallForEachGives) {
  const Tasks tasks = tasks_of_all_kinds();
  const TwoWayOptions options{.resamples = 200, .seed = 5};
  TwoWayBootstrap shared(options);
  std::vector<TwoWayTask> ready;
  for (const TaskScores& task : tasks) ready.emplace_back(task);
  for (std::size_t first = 0; first < tasks.size(); ++first) {
    std::vector<const TwoWayTask*> group;
    for (std::size_t t = first; t < tasks.size(); ++t) group.push_back(&ready[t]);
    const auto want = two_way_bootstrap(std::span(tasks).subspan(first), options);
    EXPECT_TRUE(equal(shared.estimate(group), want)) << first;
    const auto alone = two_way_bootstrap(std::span(tasks).subspan(first, 1), options);
    EXPECT_TRUE(equal(shared.estimate(ready[first]), alone)) << first;
    EXPECT_EQ(ready[first].mean(), alone.mean);
    EXPECT_EQ(ready[first].standard_error(), alone.standard_error);
  }
}

// The quantiles are where the series of the incomplete gamma function says 0.05, 0.5 and 0.95.
TEST(TwoWayDraws, ChiSquaredHasTheQuantilesOfItsDegreesOfFreedom) {
  const std::map<double, Values> quantiles{{1, {0.0039321, 0.4549364, 3.8414588}},
                                           {2, {0.1025866, 1.3862944, 5.9914645}},
                                           {7.5, {2.44626, 6.84491, 14.79116}},
                                           {40, {26.5093, 39.3353, 55.7585}}};
  TwoWayDraws draws(1, 40000);
  for (const auto& [n, want] : quantiles) {
    const Values got = draws.chi_squared(n);
    const Values of_share{0.05, 0.5, 0.95};
    for (std::size_t i = 0; i < want.size(); ++i) {
      const auto below =
          std::count_if(got.begin(), got.end(), [&](double x) { return x < want[i]; });
      EXPECT_NEAR(double(below) / double(got.size()), of_share[i], 0.01) << n;  // four deviations
    }
  }
}

TEST(TwoWayDraws, StreamsOfTasksAndSeedsAreNotRelated) {
  constexpr std::size_t kDraws = 20000;
  TwoWayDraws draws(1, kDraws);
  const Values first = draws.uniforms(0);
  const Values second = draws.uniforms(1);
  double of_tasks = 0;
  double of_seeds = 0;
  for (std::size_t r = 0; r < kDraws; ++r) {
    of_tasks += 12 * (first[r] - 0.5) * (second[r] - 0.5) / double(kDraws);
    of_seeds += std::sqrt(12) * (first[r] - 0.5) * draws.normals()[r] / double(kDraws);
  }
  EXPECT_NEAR(of_tasks, 0, 0.03);  // correlations; four deviations
  EXPECT_NEAR(of_seeds, 0, 0.03);
}

TEST(PairedDifference, LetsAMethodOfOneSeedStandForAllSeedsOfTheOther) {
  const TaskScores three{{1, 0}, {1, 1}, {0, 0}};
  const TaskScores one{{1, 0}};
  EXPECT_THAT(paired_difference(three, one),
              ElementsAre(Values{0, 0}, Values{0, 1}, Values{-1, 0}));
  EXPECT_THAT(paired_difference(one, three),
              ElementsAre(Values{0, 0}, Values{0, -1}, Values{1, 0}));
  EXPECT_THAT(paired_difference(one, one), ElementsAre(Values{0, 0}));
}

// Checked against R: p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm") and so on.
TEST(Holm, GivesWorkedOutNumbersInTheOrderGiven) {
  EXPECT_THAT(holm(Values{0.01, 0.04, 0.03, 0.005}),
              Pointwise(DoubleNear(1e-12), {0.03, 0.06, 0.06, 0.02}));
  EXPECT_THAT(holm(Values{0.5, 0.6}), Pointwise(DoubleNear(1e-12), {1.0, 1.0}));
  EXPECT_THAT(holm(Values{0.02, 0.02, 0.9}), Pointwise(DoubleNear(1e-12), {0.06, 0.06, 0.9}));
  EXPECT_THAT(holm(Values{0.3}), ElementsAre(0.3));
  EXPECT_TRUE(holm({}).empty());
}

TEST(CountWins, CountsTasksByTheirOwnBand) {
  Rng rng(5);
  Tasks differences;
  for (const double gain : {1.5, 1.5, 0.0, -1.5}) {
    const Methods methods = answers_of_two({.tasks = 1}, gain, rng);
    differences.push_back(paired_difference(methods.x[0], methods.y[0]));
  }
  differences.push_back({{0, 0, 0}});
  const WinTieLoss got = count_wins(differences);
  EXPECT_EQ(got.wins, 2u);
  EXPECT_EQ(got.ties, 2u);
  EXPECT_EQ(got.losses, 1u);
}

TEST(MeanDraws, OfWholeNumbersHaveTheBinomialDistribution) {
  const MeanDraws draws(Values{3, 3, 4});  // 3 + the mean of three throws at 1/3
  Rng rng(1);
  std::map<double, double> share;
  constexpr int kDraws = 40000;
  for (int i = 0; i < kDraws; ++i) share[std::round(3 * draws.draw(rng))] += 1.0 / kDraws;
  EXPECT_NEAR(share[9], 8.0 / 27, 0.01);  // four deviations of 0.0023
  EXPECT_NEAR(share[10], 12.0 / 27, 0.01);
  EXPECT_NEAR(share[11], 6.0 / 27, 0.01);
  EXPECT_NEAR(share[12], 1.0 / 27, 0.01);
}

TEST(MeanDraws, EveryUniformNumberHasItsPlaceAmongTheMeans) {
  const MeanDraws draws(Values{3, 3, 4});  // chances 8, 12, 6 and 1 of 27
  EXPECT_EQ(draws.place(0), 0u);
  EXPECT_EQ(draws.place(8 / 27.0 - 1e-9), 0u);
  EXPECT_EQ(draws.place(8 / 27.0 + 1e-9), 1u);
  EXPECT_EQ(draws.place(20 / 27.0 - 1e-9), 1u);
  EXPECT_EQ(draws.place(26 / 27.0 - 1e-9), 2u);
  EXPECT_EQ(draws.place(26 / 27.0 + 1e-9), 3u);
  EXPECT_EQ(draws.place(1 - 0x1p-53), 3u);
}

TEST(MeanDraws, AreDistributedAlikeInBothWaysOfDrawing) {
  Rng rng(2);
  Values whole(151);
  for (double& x : whole) x = static_cast<double>(rng.below(7)) - 3;
  Values shifted = whole;
  for (double& x : shifted) x += 0.25;
  const auto sorted_draws = [&](const Values& values) {
    const MeanDraws draws(values);
    Values out(20000);
    for (double& x : out) x = draws.draw(rng);
    std::sort(out.begin(), out.end());
    return out;
  };
  const Values fast = sorted_draws(whole);
  const Values slow = sorted_draws(shifted);
  for (const std::size_t i : {20u, 500u, 5000u, 10000u, 15000u, 19500u, 19980u}) {
    EXPECT_NEAR(fast[i], slow[i] - 0.25, 0.04) << i;  // the deviation of a draw is 0.16
  }
  EXPECT_EQ(MeanDraws(Values{5, 5, 5}).draw(rng), 5.0);
}

class PairedBadInputTest : public ::testing::TestWithParam<BadInput> {};

TEST_P(PairedBadInputTest, IsOneClearError) {
  EXPECT_THAT(GetParam().call, test::error_of(ErrorCode::InvalidArgument, GetParam().what));
}

BadInput bad_task(const std::string& what, const TaskScores& task,
                  const TwoWayOptions& options = {}) {
  return {what, [=] { (void)two_way_bootstrap(Tasks{{{1, 0}}, task}, options); }};
}
BadInput bad_pair(const std::string& what, const TaskScores& x, const TaskScores& y) {
  return {what, [=] { (void)paired_difference(x, y); }};
}

INSTANTIATE_TEST_SUITE_P(
    Cases, PairedBadInputTest,
    ::testing::Values(BadInput{"bootstrap: 0 tasks", [] { (void)two_way_bootstrap({}); }},
                      bad_task("task 1: 0 seeds", {}), bad_task("task 1: 0 questions", {{}}),
                      bad_task("task 1: 1 question;", {{1}, {0}}),
                      bad_task("seed 1 has 1 questions and seed 0 has 2", {{1, 0}, {1}}),
                      bad_task("seed 1, question 0 is nan", {{1, 0}, {kNaN, 0}}),
                      bad_task("level 1;", {{1, 0}}, {.level = 1}),
                      bad_task("0 resamples", {{1, 0}}, {.resamples = 0}),
                      bad_task("null mean nan", {{1, 0}}, {.null_mean = kNaN}),
                      bad_pair("2 and 3 questions", {{1, 0}}, {{1, 0, 1}}),
                      bad_pair("2 and 3 seeds", {{1}, {0}}, {{1}, {0}, {1}}),
                      bad_pair("second method: 0 seeds", {{1}}, {}),
                      BadInput{"1 and 0 tasks",
                               [] {
                                 (void)paired_differences(Tasks{{{1, 0}}}, {});
                               }},
                      BadInput{"p-value 1 of 2 is 1.5",
                               [] {
                                 (void)holm(Values{0.5, 1.5});
                               }},
                      BadInput{"p-value 0 of 1 is nan", [] { (void)holm(Values{kNaN}); }},
                      BadInput{"task 0: 0 seeds", [] { (void)count_wins(Tasks{{}}); }}));

}  // namespace
}  // namespace crayon
