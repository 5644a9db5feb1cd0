#include "crayon/session/refine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "crayon/base/error.h"
#include "crayon/base/random.h"

namespace crayon {
namespace {

using ::testing::FloatNear;
using ::testing::Pointwise;

/// n examples, N adapters, `choices` choices: noise, and adapter 1 lifts the right choice.
Linearised random_problem(std::size_t n, std::size_t n_adapters, double lift) {
  Rng rng(7);
  Linearised data;
  data.w0.assign(n_adapters, 1.0f / static_cast<float>(n_adapters));
  data.slopes.resize(n_adapters);
  const auto row = [&] {
    std::vector<float> s(4);
    for (float& x : s) x = static_cast<float>(0.3 * rng.normal());
    return s;
  };
  for (std::size_t k = 0; k < n; ++k) {
    data.answers.push_back(static_cast<int>(rng.below(4)));
    data.at_w0.push_back(row());
    for (auto& table : data.slopes) table.push_back(row());
    data.slopes[1][k][static_cast<std::size_t>(data.answers[k])] += static_cast<float>(lift);
  }
  return data;
}

/// The problem's objective, written down once more: log-losses plus |u|^2 / (2 (spread/N)^2).
double objective(const Linearised& data, const std::vector<float>& w, double spread,
                 std::size_t out) {
  const double n = static_cast<double>(data.w0.size());
  const double beta = fit_scale(data.at_w0, data.answers);
  double sum = 0;
  for (std::size_t i = 0; i < data.w0.size(); ++i) {
    const double u = static_cast<double>(w[i] - data.w0[i]);
    sum += 0.5 * u * u * n * n / (spread * spread);
  }
  for (std::size_t k = 0; k < data.answers.size(); ++k) {
    if (k == out) continue;
    double total = 0;
    double right = 0;
    for (std::size_t c = 0; c < data.at_w0[k].size(); ++c) {
      double s = static_cast<double>(data.at_w0[k][c]);
      for (std::size_t i = 0; i < data.w0.size(); ++i) {
        s += static_cast<double>((w[i] - data.w0[i]) * data.slopes[i][k][c]);
      }
      total += std::exp(beta * s);
      if (static_cast<int>(c) == data.answers[k]) right = beta * s;
    }
    sum += std::log(total) - right;
  }
  return sum;
}

void expect_minimum(const Linearised& data, const std::vector<float>& w, double spread,
                    std::size_t out) {
  const double at = objective(data, w, spread, out);
  for (std::size_t i = 0; i < w.size(); ++i) {
    for (const float step : {-0.02f, 0.02f}) {
      auto moved = w;
      moved[i] += step;
      EXPECT_GE(objective(data, moved, spread, out), at - 1e-6) << i << " without " << out;
    }
  }
}

TEST(RefineWeights, FindTheMinimumForAllExamplesAndForAllButOne) {
  const Linearised data = random_problem(12, 3, 1.0);
  const Refined got = refine_weights(data, {.spreads = {1.0}});
  expect_minimum(data, got.weights, 1.0, data.answers.size());
  ASSERT_EQ(got.without_each.size(), 12u);
  for (std::size_t k = 0; k < 12; ++k) expect_minimum(data, got.without_each[k], 1.0, k);
}

TEST(RefineWeights, RaiseTheAdapterThatLiftsTheRightChoice) {
  const Linearised data = random_problem(24, 4, 3.0);
  const Refined got = refine_weights(data);
  EXPECT_GT(got.weights[1], data.w0[1] + 0.1f);
  for (const std::size_t i : {0u, 2u, 3u}) EXPECT_LT(got.weights[i], got.weights[1]);
}

TEST(RefineWeights, StayNearTheGateWhereTheAdaptersDoNothing) {
  Linearised data = random_problem(10, 3, 0);
  for (auto& table : data.slopes) {
    for (auto& row : table) row.assign(4, 0.5f);  // the same for every choice
  }
  EXPECT_THAT(refine_weights(data).weights, Pointwise(FloatNear(1e-5f), data.w0));
}

TEST(RefineWeights, RefuseOneExampleAndTablesThatDoNotFit) {
  EXPECT_THROW((void)refine_weights(random_problem(1, 3, 0)), Error);
  Linearised data = random_problem(4, 3, 0);
  data.slopes.pop_back();
  EXPECT_THROW((void)refine_weights(data), Error);
}

TEST(Linearise, GivesTheSlopesOfScoresThatAreLinear) {
  const std::vector<float> w0 = {0.25f, 0.75f};
  const auto score_at = [](std::span<const float> w) {
    return ScoreTable{{2 * w[0] + w[1], -w[1]}, {w[0] - 4 * w[1], 1.0f}};
  };
  const int answers[] = {0, 1};
  const Linearised got = linearise(w0, score_at(w0), answers, score_at);
  EXPECT_THAT(got.slopes[0][0], Pointwise(FloatNear(1e-5f), {2.0f, 0.0f}));
  EXPECT_THAT(got.slopes[1][0], Pointwise(FloatNear(1e-5f), {1.0f, -1.0f}));
  EXPECT_THAT(got.slopes[1][1], Pointwise(FloatNear(1e-5f), {-4.0f, 0.0f}));
}

}  // namespace
}  // namespace crayon
