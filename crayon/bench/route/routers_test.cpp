#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "crayon/base/random.h"
#include "crayon/bench/route/internal/logistic.h"
#include "crayon/bench/route/risk.h"
#include "crayon/bench/route/router.h"
#include "crayon/bench/route/traffic.h"
#include "tests/errors.h"

namespace crayon {
namespace {

using ::testing::DoubleNear;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pointwise;
using ::testing::SizeIs;
using Values = std::vector<double>;

const BenchRouter& router_named(const std::string& name) {
  return **std::ranges::find_if(all_routers(),
                                [&](const BenchRouter* router) { return router->name == name; });
}

Matrix rows_of(std::size_t cols, std::vector<float> data) {
  Matrix m(data.size() / cols, cols);
  m.data = std::move(data);
  return m;
}

/// Three rows: sure, unsure, and sure but out of scope.
struct Three {
  DeviceRows device{.scores = {{-1, -5, -5}, {-2, -2.1f, -9}, {-1, -6, -6}},
                    .right = {1, 0, 1},
                    .log_prob = {-1, -2, -0.5},
                    .confidence = {0.9, 0.4, 0.95},
                    .scope = {0.8, 0.6, 0.01}};
  RouterRows rows = router_rows(device, rows_of(2, {1, 0, 0, 1, -1, 0}));
  LabelledRows own{
      rows_of(2, {1, 0, 0, 1, 0.9f, 0.1f, 0.1f, 0.9f}), {}, {1, 0, 1, 0}, {0, 1, 0, 1}};
  LabelledRows others{
      rows_of(2, {1, 0, 0, 1, 0.9f, 0.1f, 0.1f, 0.9f}), {}, {0, 1, 0, 1}, {1, 0, 1, 0}};

  [[nodiscard]] Values scores(const std::string& name,
                              const LabelledRows* outcome = nullptr) const {
    return router_named(name).score({rows, own, others, outcome});
  }
};

TEST(Routers, AreListedOnceEachWithOursFirst) {
  std::set<std::string> names;
  for (const BenchRouter* router : all_routers()) {
    names.insert(router->name);
    EXPECT_NE(std::string(router->summary), "");
    EXPECT_NE(router->score != nullptr, router->fixed_share.has_value()) << router->name;
  }
  EXPECT_EQ(all_routers().front()->name, std::string("crayon"));
  EXPECT_THAT(names, ::testing::IsSupersetOf({"crayon-gain", "random", "oracle", "always", "never",
                                              "entropy", "margin", "mean-log-prob", "knn",
                                              "query-logistic", "query-logistic-own", "scope"}));
  EXPECT_EQ(names.size(), all_routers().size());
}

TEST(Routers, SignalsOfTheDeviceOrderTheRowsAsTheyMean) {
  const Three three;
  const auto crayon = three.scores("crayon");
  EXPECT_THAT(crayon, ElementsAre(DoubleNear(0.9, 1e-12), DoubleNear(0.4, 1e-12),
                                  DoubleNear(0.95 * 0.01 / 0.05, 1e-12)));
  EXPECT_THAT(three.scores("random"), Each(0.0));
  EXPECT_THAT(three.scores("scope"), ElementsAre(0.8, 0.6, 0.01));
  EXPECT_THAT(three.scores("mean-log-prob"), ElementsAre(-1, -2, -0.5));
  for (const std::string name : {"margin", "entropy"}) {
    const auto scores = three.scores(name);
    EXPECT_LT(scores[1], scores[0]) << name;
    EXPECT_LT(scores[0], scores[2]) << name;
  }
  EXPECT_EQ(router_named("always").fixed_share, 1.0);
  EXPECT_EQ(router_named("never").fixed_share, 0.0);
}

TEST(Routers, TheOracleAloneSeesTheAnswers) {
  const Three three;
  const LabelledRows outcome{{}, {}, {1, 0, 0}, {0, 1, 0}};
  EXPECT_THAT(three.scores("oracle", &outcome), ElementsAre(1, -1, 0));
  for (const BenchRouter* router : all_routers()) {
    EXPECT_EQ(router->knows == BenchRouter::Knows::Answers, std::string(router->name) == "oracle");
  }
}

TEST(Routers, LearntOnesFollowTheLabelsThatTheyMayUse) {
  const Three three;
  const auto own = three.scores("query-logistic-own");  // near (1, 0) the device is right
  EXPECT_GT(own[0], own[1]);
  const auto others = three.scores("query-logistic");  // elsewhere it is the other way round
  EXPECT_LT(others[0], others[1]);
  const auto knn = three.scores("knn");
  EXPECT_EQ(knn[0], knn[1]) << "five neighbours of four: all of them";
}

TEST(Routers, TheGainIsLessTheServersOwnConfidence) {
  Three three;
  EXPECT_EQ(three.scores("crayon-gain"), three.scores("crayon")) << "too few labels of the server";
  for (int k = 0; k < 40; ++k) {  // it is right where the device is sure
    three.own.signals.push_back({.top = 0.9, .margin = k % 2 == 0 ? 0.05 : 0.9, .entropy = 0.1});
    three.own.device.push_back(1);
    three.own.server.push_back(k % 2 != 0);
  }
  three.own.device.erase(three.own.device.begin(), three.own.device.begin() + 4);
  three.own.server.erase(three.own.server.begin(), three.own.server.begin() + 4);
  const auto gain = three.scores("crayon-gain");
  const auto alone = three.scores("crayon");
  EXPECT_GT(alone[0] - gain[0], 0.8);
  EXPECT_LT(alone[1] - gain[1], 0.2);
}

TEST(Logistic, IsWhereTheSlopeOfItsLossIsZero) {
  Rng rng(3);
  Matrix x(60, 4);
  std::vector<std::uint8_t> y;
  for (std::size_t r = 0; r < x.rows; ++r) {
    for (float& value : x.row(r)) value = static_cast<float>(rng.normal());
    y.push_back(rng.uniform() < 1 / (1 + std::exp(-2.0 * double{x.at(r, 0)} + 0.5)));
  }
  const Logistic fit = fit_logistic(x, y, 0.7);
  Values slope(5);
  for (std::size_t i = 0; i < 4; ++i) slope[i] = 0.7 * fit.weights[i];
  for (std::size_t r = 0; r < x.rows; ++r) {
    const double error = 1 / (1 + std::exp(-fit.logit(x.row(r)))) - y[r];
    for (std::size_t i = 0; i < 4; ++i) slope[i] += error * double{x.at(r, i)};
    slope[4] += error;
  }
  EXPECT_THAT(slope, Each(DoubleNear(0, 1e-4)));
  EXPECT_GT(fit.weights[0], 0.5);
}

TEST(Logistic, KnowsNothingWhereAllLabelsAreTheSame) {
  const std::vector<std::uint8_t> ones{1, 1};
  EXPECT_THAT(fit_logistic(rows_of(2, {1, 0, 0, 1}), ones).weights, Each(0.0));
  EXPECT_THAT(fit_logistic(Matrix(0, 2), {}).weights, ElementsAre(0, 0, 0));
}

TEST(ConformalThreshold, IsTheLeastThatKeepsTheBoundOnTheExamples) {
  Rng rng(5);
  for (int trial = 0; trial < 50; ++trial) {
    Values scores;
    std::vector<std::uint8_t> right;
    for (int i = 0; i < 30; ++i) {
      scores.push_back(static_cast<double>(rng.below(12)));
      right.push_back(rng.uniform() < 0.6);
    }
    const double risk = 0.05 + 0.4 * rng.uniform();
    const auto bound = [&](double threshold) {
      double wrong = 0;
      for (std::size_t i = 0; i < scores.size(); ++i) wrong += scores[i] >= threshold && !right[i];
      return wrong / 31 + 1.0 / 31;  // n/(n+1) R + 1/(n+1)
    };
    const auto found = conformal_threshold(scores, right, risk);
    ASSERT_TRUE(found.has_value());
    EXPECT_LE(bound(*found), risk + 1e-9);
    if (std::isfinite(*found)) {
      EXPECT_GT(bound(*found - 1e-9), risk) << "a lower one would not do";
    }
  }
}

TEST(ConformalThreshold, RefusesTooFewExamples) {
  const Values scores(18, 0.5);
  const std::vector<std::uint8_t> right(18, 1);
  EXPECT_FALSE(conformal_threshold(scores, right, 0.05).has_value()) << "it takes 19";
  EXPECT_EQ(*conformal_threshold(Values(19, 0.5), std::vector<std::uint8_t>(19, 1), 0.05),
            -std::numeric_limits<double>::infinity());
  EXPECT_THAT([&] { (void)conformal_threshold(scores, right, 1.5); },
              test::error_of(ErrorCode::InvalidArgument, "1.5 is asked"));
}

TEST(RiskTrial, TheMeanRealisedRiskIsAtMostWhatWasAskedFor) {
  Rng rng(9);
  Values scores;
  std::vector<std::uint8_t> right;
  for (int i = 0; i < 150; ++i) {
    scores.push_back(rng.uniform());
    right.push_back(rng.uniform() < 0.3 + 0.5 * scores.back());
  }
  for (const double risk : {0.05, 0.1, 0.2}) {
    const RiskTrial trial = try_risk({scores, right}, risk, 32, 400, 1);
    EXPECT_EQ(trial.resamples, 400u);
    EXPECT_TRUE(trial.keeps(risk)) << risk << ": " << trial.mean;
    EXPECT_GT(trial.mean, risk / 4) << "nor is it far below";
    EXPECT_GT(trial.server_share, 0);
    EXPECT_GT(trial.deviation, trial.standard_error);
  }
  EXPECT_EQ(try_risk({scores, right}, 0.01, 32, 10, 1).resamples, 0u) << "refused";
}

/// A threshold that promises too much is found out.
TEST(RiskTrial, ABrokenPromiseIsSeen) {
  const Values scores(100, 0.5);
  std::vector<std::uint8_t> right(100, 0);
  std::fill_n(right.begin(), 50, 1);
  const RiskTrial trial = try_risk({scores, right}, 0.1, 20, 50, 1,
                                   [](auto, auto, double) { return std::optional(0.0); });
  EXPECT_FALSE(trial.keeps(0.1));
  EXPECT_THAT(
      [&] {
        (void)try_risk({scores, right}, 0.1, 100, 50, 1);
      },
      test::error_of(ErrorCode::InvalidArgument, "100 of 100 rows"));
}

TEST(Traffic, IsHalfTheTasksOwnAndAQuarterNearAndFar) {
  const std::vector<std::string> families{"a", "a", "", "b"};
  std::vector<BenchTask> tasks(4);
  for (std::size_t t = 0; t < 4; ++t) {
    tasks[t].name = std::to_string(t);
    tasks[t].questions.resize(t == 1 ? 3 : 10);
  }
  EXPECT_THAT(neighbours_of(families, 0).near, ElementsAre(1));
  EXPECT_THAT(neighbours_of(families, 2).near, IsEmpty()) << "a task without a family";
  const auto mixed = draw_mixed(tasks, families, 0);
  EXPECT_THAT(mixed, SizeIs(6)) << "there are three near ones";
  std::set<std::pair<std::size_t, std::size_t>> drawn;
  for (const MixedRow& row : mixed) {
    EXPECT_EQ(row.near, row.task == 1);
    EXPECT_NE(row.task, 0u);
    drawn.emplace(row.task, row.question);
  }
  EXPECT_THAT(drawn, SizeIs(6)) << "each once";
  EXPECT_THAT(draw_mixed(tasks, families, 1), SizeIs(2)) << "half of its own three, of each kind";
  EXPECT_THAT(draw_mixed(tasks, families, 2), IsEmpty());
}

}  // namespace
}  // namespace crayon
