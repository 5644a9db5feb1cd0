#include "crayon/stats/routing.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "crayon/base/random.h"
#include "crayon/stats/routing_bands.h"
#include "crayon/stats/stats.h"
#include "tests/errors.h"

namespace crayon {
namespace {

using test::BadInput;
using ::testing::DoubleNear;
using ::testing::ElementsAre;
using ::testing::Pointwise;
using Values = std::vector<double>;

/// Random answers with few distinct scores, so that many are equal.
RoutedAnswers random_answers(std::size_t n, std::uint64_t seed, std::size_t levels,
                             double server = 0.7) {
  Rng rng(seed);
  RoutedAnswers answers;
  for (std::size_t i = 0; i < n; ++i) {
    const double score = static_cast<double>(rng.below(levels)) / static_cast<double>(levels);
    answers.scores.push_back(score);
    answers.device.push_back(rng.uniform() < 0.2 + 0.6 * score);
    answers.server.push_back(rng.uniform() < server);
  }
  return answers;
}

/// Means over all orders of equal scores, one after the other: slow, and how it is defined.
struct AllOrders {
  Values curve;
  Values risks;

  explicit AllOrders(const RoutedAnswers& answers) {
    const std::size_t n = answers.scores.size();
    std::vector<std::size_t> order(n);
    std::iota(order.begin(), order.end(), std::size_t{0});
    curve.resize(n + 1);
    risks.resize(n);
    double orders = 0;
    do {
      if (!std::ranges::is_sorted(order, {}, [&](auto i) { return answers.scores[i]; })) continue;
      ++orders;
      for (std::size_t k = 0; k <= n; ++k) {
        double right = 0;
        for (std::size_t j = 0; j < n; ++j) {
          right += j < k ? answers.server[order[j]] : answers.device[order[j]];
        }
        curve[k] += right / static_cast<double>(n);
      }
      for (std::size_t k = 1; k <= n; ++k) {
        double wrong = 0;
        for (std::size_t j = n - k; j < n; ++j) wrong += 1 - answers.device[order[j]];
        risks[k - 1] += wrong / static_cast<double>(k);
      }
    } while (std::ranges::next_permutation(order).found);
    for (double& r : curve) r /= orders;
    for (double& r : risks) r /= orders;
  }
};

TEST(Routing, EqualScoresAreSharedOutAsTheMeanOverAllTheirOrders) {
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    const RoutedAnswers answers = random_answers(7, seed, 3);
    const AllOrders want(answers);
    EXPECT_THAT(deferral_curve(answers).accuracy, Pointwise(DoubleNear(1e-12), want.curve));
    EXPECT_THAT(selective_risks(answers), Pointwise(DoubleNear(1e-12), want.risks));
    EXPECT_NEAR(area_under_risk(answers),
                std::accumulate(want.risks.begin(), want.risks.end(), 0.0) / 7, 1e-12);
  }
}

TEST(Routing, ARouterThatKnowsNothingHasAStraightLine) {
  RoutedAnswers answers = random_answers(40, 3, 40);
  answers.scores.assign(40, 1.0);
  const DeferralCurve curve = deferral_curve(answers);
  EXPECT_NEAR(accuracy_at(curve, 0.3), 0.7 * curve.device() + 0.3 * curve.server(), 1e-12);
  EXPECT_NEAR(*mean_gap_recovered(curve), 0.5, 1e-12);
  EXPECT_NEAR(*call_threshold(curve, 0.5), 0.5, 1e-12);
  EXPECT_NEAR(area_under(curve), (curve.device() + curve.server()) / 2, 1e-12);
  EXPECT_NEAR(share_to_match_server(curve), 1, 1e-12);
}

TEST(Routing, KnowsTheNumbersOfASmallCase) {
  // Ascending: only the server, both, neither, only the device.
  const RoutedAnswers answers{{0.1, 0.2, 0.3, 0.4}, {0, 1, 0, 1}, {1, 1, 0, 0}};
  const DeferralCurve curve = deferral_curve(answers);
  EXPECT_THAT(curve.accuracy, ElementsAre(0.5, 0.75, 0.75, 0.75, 0.5));
  EXPECT_NEAR(area_under(curve), 0.6875, 1e-12);
  EXPECT_FALSE(mean_gap_recovered(curve).has_value()) << "both sides are as good";
  EXPECT_FALSE(call_threshold(curve, 0.5).has_value());
  EXPECT_EQ(share_to_match_server(curve), 0);
  EXPECT_THAT(selective_risks(answers), ElementsAre(0, 0.5, DoubleNear(1.0 / 3, 1e-12), 0.5));
}

TEST(Routing, ThresholdsLieBetweenPoints) {
  const DeferralCurve curve{{0.4, 0.5, 0.45, 0.8}};
  EXPECT_NEAR(*gap_recovered(curve, 1.0 / 3), 0.25, 1e-12);
  EXPECT_NEAR(*call_threshold(curve, 0.125), 1.0 / 6, 1e-12);
  EXPECT_NEAR(*call_threshold(curve, 0.25), 1.0 / 3, 1e-12) << "first crossing, though it falls";
  EXPECT_NEAR(*call_threshold(curve, 0.5), (2 + 0.15 / 0.35) / 3, 1e-12);
  EXPECT_EQ(*call_threshold(curve, 0), 0);
  EXPECT_NEAR(*call_threshold(curve, 1), 1, 1e-12);
  EXPECT_THAT(mean_curve(std::vector<DeferralCurve>{curve, {{0, 1}}}, 2).accuracy,
              Pointwise(DoubleNear(1e-12), Values{0.2, (0.475 + 0.5) / 2, 0.9}));
}

TEST(Routing, GeneralizedRiskIsKnownFromAurocAndAccuracy) {
  for (const std::size_t levels : {2u, 5u, 1000u}) {
    const RoutedAnswers answers = random_answers(200, levels, levels);
    const double p = accuracy(answers.device).accuracy;
    const double area = auroc(answers.scores, answers.device);
    EXPECT_NEAR(area_under_generalized_risk(answers),
                (1 - area) * p * (1 - p) + (1 - p) * (1 - p) / 2, 1e-12);
  }
}

std::vector<std::vector<RoutedTask>> two_routers(std::size_t n, std::uint64_t seed,
                                                 std::size_t tasks = 3, std::size_t draws = 2) {
  std::vector<std::vector<RoutedTask>> routers(2);
  for (std::size_t t = 0; t < tasks; ++t) {
    RoutedTask good;
    for (std::size_t s = 0; s < draws; ++s) {
      good.push_back(random_answers(n, 100 * seed + 10 * t + s, 50));
      good.back().server = good.front().server;
    }
    RoutedTask blind = good;
    for (RoutedAnswers& draw : blind) draw.scores.assign(n, 0.5);
    routers[0].push_back(good);
    routers[1].push_back(blind);
  }
  return routers;
}

TEST(RoutingBands, AreAroundWhatTheFunctionsSay) {
  const auto routers = two_routers(120, 1, 1, 1);
  const RoutingBands bands = routing_bands(routers, {.resamples = 400});
  const RoutedAnswers& answers = routers[0][0][0];
  const DeferralCurve curve = deferral_curve(answers);
  const RouterBands& first = bands.routers[0];
  const auto value = [&](RoutingMetric m) { return *first.metric(m).value; };
  EXPECT_NEAR(value(RoutingMetric::Area), area_under(curve), 1e-12);
  EXPECT_NEAR(value(RoutingMetric::Apgr), *mean_gap_recovered(curve), 1e-12);
  EXPECT_NEAR(value(RoutingMetric::ApgrOverTasks), *mean_gap_recovered(curve), 1e-12);
  EXPECT_NEAR(value(RoutingMetric::Cpt50), *call_threshold(curve, 0.5), 1e-12);
  EXPECT_NEAR(value(RoutingMetric::Match), share_to_match_server(curve), 1e-12);
  EXPECT_NEAR(value(RoutingMetric::OverServer50), accuracy_at(curve, 0.5) - curve.server(), 1e-12);
  EXPECT_NEAR(value(RoutingMetric::Auroc), auroc(answers.scores, answers.device), 1e-12);
  EXPECT_NEAR(value(RoutingMetric::Aurc), area_under_risk(answers), 1e-12);
  EXPECT_NEAR(value(RoutingMetric::Augrc), area_under_generalized_risk(answers), 1e-12);
  for (const RoutingEstimate& metric : first.metrics) {
    EXPECT_LE(metric.low, *metric.value + 0.05);
    EXPECT_GE(metric.high, *metric.value - 0.05);
  }
  for (std::size_t k = 0; k <= 100; k += 10) {
    EXPECT_NEAR(first.curve.accuracy[k], accuracy_at(curve, static_cast<double>(k) / 100), 1e-12);
    EXPECT_LT(first.low.accuracy[k], first.curve.accuracy[k]);
    EXPECT_GT(first.high.accuracy[k], first.curve.accuracy[k]);
  }
  const RouterBands& blind = bands.routers[1];
  EXPECT_NEAR(*blind.metric(RoutingMetric::Apgr).value, 0.5, 1e-9);
  EXPECT_NEAR(blind.metric(RoutingMetric::Apgr).high, 0.5, 1e-9) << "it has no band";
  EXPECT_NEAR(*bands.differences[0][0].value, value(RoutingMetric::Area) - area_under(blind.curve),
              1e-12);
  EXPECT_LT(bands.differences[0][0].p_value, 0.05);
}

/// The spread of the estimate over new questions, against the standard error of one sample.
TEST(RoutingBands, AreAsWideAsNewQuestionsWouldMove) {
  Values areas;
  double errors = 0;
  constexpr int kTrials = 150;
  for (int trial = 0; trial < kTrials; ++trial) {
    const auto routers = two_routers(80, 1000 + static_cast<std::uint64_t>(trial), 2, 1);
    const RoutingBands bands = routing_bands(routers, {.resamples = 60, .steps = 10});
    areas.push_back(*bands.differences[0][0].value);
    errors += bands.differences[0][0].standard_error / kTrials;
  }
  const double mean = std::accumulate(areas.begin(), areas.end(), 0.0) / kTrials;
  double squares = 0;
  for (const double area : areas) squares += (area - mean) * (area - mean);
  EXPECT_NEAR(errors / std::sqrt(squares / kTrials), 1, 0.2);  // the deviation is 0.06
}

TEST(RoutingBands, AreTheSameForTheSameSeedAndWiderOverTasks) {
  const auto routers = two_routers(60, 4);
  const RoutingOptions options{.resamples = 200, .seed = 5};
  const auto one = routing_bands(routers, options);
  const auto two = routing_bands(routers, options);
  EXPECT_EQ(one.routers[0].metrics[0].low, two.routers[0].metrics[0].low);
  RoutingOptions over_tasks = options;
  over_tasks.resample_tasks = true;
  EXPECT_GT(routing_bands(routers, over_tasks).routers[0].metrics[0].standard_error,
            one.routers[0].metrics[0].standard_error);
}

TEST(RoutingBands, CountAQuestionThatSeveralTasksAskOnce) {
  auto routers = two_routers(60, 6, 1, 1);
  const RoutingBands alone = routing_bands(routers);
  for (auto& router : routers) router.resize(4, router.front());  // the same task four times
  const auto error = [](const RoutingBands& bands) {
    return bands.routers[0].metric(RoutingMetric::Area).standard_error;
  };
  std::vector<AskedQuestion> list;
  for (std::size_t i = 0; i < 60; ++i) list.push_back({0, i});
  EXPECT_NEAR(error(routing_bands(routers)) / error(alone), 0.5, 0.05) << "as if they were others";
  EXPECT_NEAR(error(routing_bands(routers, {.questions = {4, list}})) / error(alone), 1, 1e-3);
}

TEST(RoutingBands, TakeTheSameReplicatesWhereNoTwoRowsAskTheSame) {
  const auto routers = two_routers(40, 7);
  std::vector<std::vector<AskedQuestion>> own(3);
  for (std::size_t t = 0; t < 3; ++t) {
    for (std::size_t i = 0; i < 40; ++i) own[t].push_back({t, 10 * i});
  }
  const RoutingBands plain = routing_bands(routers, {.resamples = 20});
  const RoutingBands named = routing_bands(routers, {.resamples = 20, .questions = own});
  EXPECT_EQ(named.routers[0].low.accuracy, plain.routers[0].low.accuracy);
}

TEST(RoutingBands, HaveNoValueWhereTheServerIsNoBetter) {
  auto routers = two_routers(30, 2, 1, 1);
  for (auto& router : routers) router[0][0].server = router[0][0].device;
  const RoutingBands bands = routing_bands(routers, {.resamples = 50});
  EXPECT_FALSE(bands.routers[0].metric(RoutingMetric::Apgr).value.has_value());
  EXPECT_FALSE(bands.differences[0][1].value.has_value());
  EXPECT_EQ(*bands.routers[0].metric(RoutingMetric::Match).value, 0);
}

class BadRouting : public ::testing::TestWithParam<BadInput> {};

TEST_P(BadRouting, IsRefused) {
  EXPECT_THAT(GetParam().call, test::error_of(ErrorCode::InvalidArgument, GetParam().what));
}

INSTANTIATE_TEST_SUITE_P(
    Calls, BadRouting,
    ::testing::Values(
        BadInput{"0 questions", [] { (void)deferral_curve({}); }},
        BadInput{"2 scores, 1 answers of the device and 2 of the server",
                 [] {
                   (void)deferral_curve({{1, 2}, {1}, {1, 1}});
                 }},
        BadInput{"score 0 of 1 is nan",
                 [] {
                   (void)area_under_risk({{std::numeric_limits<double>::quiet_NaN()}, {1}, {1}});
                 }},
        BadInput{"server share 1.5",
                 [] {
                   (void)accuracy_at(deferral_curve({{1}, {1}, {1}}), 1.5);
                 }},
        BadInput{"gap -0.5",
                 [] {
                   (void)call_threshold({{0, 1}}, -0.5);
                 }},
        BadInput{"mean of 0 curves", [] { (void)mean_curve({}, 3); }},
        BadInput{"no router", [] { (void)routing_bands({}); }},
        BadInput{"0 resamples", [] { (void)routing_bands(two_routers(5, 1), {.resamples = 0}); }},
        BadInput{"level 1", [] { (void)routing_bands(two_routers(5, 1), {.level = 1}); }},
        BadInput{"1 and 3 tasks",
                 [] {
                   auto routers = two_routers(5, 1);
                   routers[0].resize(1);
                   (void)routing_bands(routers);
                 }},
        BadInput{"questions of other tasks or rows",
                 [] {
                   const std::vector<AskedQuestion> few(4);
                   (void)routing_bands(two_routers(5, 1), {.questions = {3, few}});
                 }},
        BadInput{"a task without a whole list",
                 [] {
                   std::vector<std::vector<AskedQuestion>> asked(3);
                   for (std::size_t k = 0; k < 15; ++k) {
                     asked[k / 5].push_back({0, 3 * (k / 5) + k % 5});
                   }
                   (void)routing_bands(two_routers(5, 1), {.questions = asked});
                 }},
        BadInput{"task 2 has other draws, questions or answers", [] {
                   auto routers = two_routers(5, 1);
                   routers[1][2][0].device[0] ^= 1;
                   (void)routing_bands(routers);
                 }}));

TEST(RoutingMetrics, AllHaveANameOfTheirOwn) {
  std::vector<std::string> names;
  for (const RoutingMetric metric : all_routing_metrics()) names.push_back(to_string(metric));
  EXPECT_EQ(names.size(), kRoutingMetrics);
  EXPECT_EQ(names.front(), "area");
  std::ranges::sort(names);
  EXPECT_EQ(std::ranges::adjacent_find(names), names.end());
}

}  // namespace
}  // namespace crayon
