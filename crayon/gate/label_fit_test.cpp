#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "crayon/base/error.h"
#include "crayon/base/random.h"
#include "crayon/gate/head.h"

namespace crayon {
namespace {

const std::vector<std::string> kLabels = {"yes", "no", "maybe"};

struct Examples {
  std::vector<ScoredChoices> scored;
  std::vector<int> answers;
};

/// Answers are as frequent as `share` says; a score tells the answer by 1 and leans by `lean`.
Examples make(std::size_t n, const std::vector<double>& share, const std::vector<float>& lean,
              Rng& rng) {
  Examples made;
  for (std::size_t k = 0; k < n; ++k) {
    double left = rng.uniform();
    int answer = 0;
    while (answer < 2 && left >= share[static_cast<std::size_t>(answer)]) {
      left -= share[static_cast<std::size_t>(answer++)];
    }
    ScoredChoices example{kLabels, {}};
    for (int c = 0; c < 3; ++c) {
      const auto noise = static_cast<float>(rng.normal());
      example.scores.push_back(lean[static_cast<std::size_t>(c)] + noise +
                               (c == answer ? 1.0f : 0.0f));
    }
    made.scored.push_back(std::move(example));
    made.answers.push_back(answer);
  }
  return made;
}

double accuracy(const Examples& examples, const Head& head) {
  std::size_t right = 0;
  for (std::size_t k = 0; k < examples.scored.size(); ++k) {
    const auto scores = apply_head(head, kLabels, examples.scored[k].scores, {});
    right += std::ranges::max_element(scores) - scores.begin() == examples.answers[k] ? 1 : 0;
  }
  return static_cast<double>(right) / static_cast<double>(examples.scored.size());
}

TEST(LabelBiases, LearnLeaningsAndHowFrequentLabelsAre) {
  Rng rng(7, "label biases");
  const std::vector<double> share = {0.7, 0.25, 0.05};
  const std::vector<float> lean = {0, 0, 2};
  const Examples known = make(64, share, lean, rng), others = make(2000, share, lean, rng);
  const Head without_answers = fit_label_calibration(known.scored);
  const Head with_answers = fit_label_biases(known.scored, known.answers, without_answers);
  EXPECT_LT(accuracy(others, {}), 0.35);
  EXPECT_GT(accuracy(others, with_answers), accuracy(others, without_answers) + 0.05);
  EXPECT_GT(accuracy(others, with_answers), 0.7);
}

TEST(LabelBiases, AreAtTheMinimumOfTheirLoss) {
  Rng rng(8, "label biases");
  const Examples known = make(20, {0.5, 0.3, 0.2}, {0, 1, 0}, rng);
  const Head head = fit_label_biases(known.scored, known.answers, {});
  // The gradient of v at the minimum: label counts less expected counts, less v. Sums to |v| = 0.
  const auto loss = [&](const std::vector<double>& v, double beta) {
    double sum = (beta - 2) * (beta - 2) / 8;
    for (const double x : v) sum += x * x / 2;
    for (std::size_t k = 0; k < known.scored.size(); ++k) {
      double total = 0, right = 0;
      for (std::size_t c = 0; c < 3; ++c) {
        const auto at = std::ranges::find(head.labels, label_hash(kLabels[c]));
        const double x = beta * static_cast<double>(known.scored[k].scores[c]) +
                         v[static_cast<std::size_t>(at - head.labels.begin())];
        total += std::exp(x);
        if (static_cast<int>(c) == known.answers[k]) right = x;
      }
      sum += std::log(total) - right;
    }
    return sum;
  };
  double best = 1e9, best_beta = 0;  // the scale is not kept: look for the one that fits
  for (double beta = 0.05; beta < 8; beta += 0.001) {
    std::vector<double> v;
    for (const float bias : head.bias) v.push_back(-beta * static_cast<double>(bias));
    if (loss(v, beta) < best) best = loss(v, beta), best_beta = beta;
  }
  for (std::size_t i = 0; i < 3; ++i) {
    for (const double step : {-0.05, 0.05}) {
      std::vector<double> v;
      for (const float bias : head.bias) v.push_back(-best_beta * static_cast<double>(bias));
      v[i] += step;
      EXPECT_GT(loss(v, best_beta), best) << i << " " << step;
    }
  }
}

TEST(LabelBiases, WithoutAnswersAreThePriors) {
  Rng rng(9, "label biases");
  const Examples known = make(30, {0.4, 0.3, 0.3}, {1, 0, 0}, rng);
  const Head prior = fit_label_calibration(known.scored);
  ASSERT_FALSE(prior.empty());
  const std::vector<int> none(30, -1);
  const Head head = fit_label_biases(known.scored, none, prior);
  ASSERT_EQ(head.labels, prior.labels);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_NEAR(head.bias[i], prior.bias[i], 1e-6);
}

TEST(LabelBiases, RefuseWhatDoesNotFitAndLeaveChoicesThatDoNotRepeatAlone) {
  const std::vector<ScoredChoices> one = {{{"a", "b"}, {1, 2}}, {{"c", "d"}, {1, 2}}};
  EXPECT_TRUE(fit_label_biases(one, std::vector<int>{0, 1}, {}).empty());
  EXPECT_THROW((void)fit_label_biases(one, std::vector<int>{0}, {}), Error);
  EXPECT_THROW((void)fit_label_biases(one, std::vector<int>{0, 2}, {}), Error);
  const std::vector<ScoredChoices> bad = {{{"a", "b"}, {1, NAN}}};
  EXPECT_THROW((void)fit_label_biases(bad, std::vector<int>{0}, {}), Error);
}

}  // namespace
}  // namespace crayon
