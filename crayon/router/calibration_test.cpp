#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "crayon/base/error.h"
#include "crayon/base/random.h"
#include "crayon/router/router.h"
#include "crayon/stats/stats.h"

namespace crayon {
namespace {

using Scores = std::vector<float>;
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

TEST(ChoiceSignals, ComeFromTheSoftmaxOverTheChoices) {
  const ChoiceSignals got = choice_signals(Scores{std::log(0.1f), std::log(0.6f), std::log(0.3f)});
  EXPECT_NEAR(got.top, 0.6, 1e-6);
  EXPECT_NEAR(got.margin, 0.3, 1e-6);
  const double entropy = -(0.1 * std::log(0.1) + 0.6 * std::log(0.6) + 0.3 * std::log(0.3));
  EXPECT_NEAR(got.entropy, entropy / std::log(3.0), 1e-6);
}

TEST(ChoiceSignals, OfEqualOneSidedAndSingleChoicesAreTheEndsOfTheScale) {
  const ChoiceSignals equal = choice_signals(Scores{-2, -2, -2, -2});
  EXPECT_NEAR(equal.top, 0.25, 1e-9);
  EXPECT_NEAR(equal.margin, 0, 1e-9);
  EXPECT_NEAR(equal.entropy, 1, 1e-9);
  const ChoiceSignals sure = choice_signals(Scores{0, -1e30f});
  EXPECT_NEAR(sure.margin, 1, 1e-9);
  EXPECT_NEAR(sure.entropy, 0, 1e-9);
  EXPECT_EQ(choice_signals(Scores{-7}).margin, 1.0);
}

TEST(TextSignals, AreTheGeometricMeanAndTheLowQuantileOfTheProbabilities) {
  Scores log_probs;
  double sum = 0;
  std::vector<double> probabilities;
  for (int i = 1; i <= 11; ++i) {
    probabilities.push_back(i / 11.0);
    log_probs.push_back(static_cast<float>(std::log(i / 11.0)));
    sum += std::log(i / 11.0);
  }
  const ChoiceSignals got = text_signals(log_probs);
  EXPECT_NEAR(got.top, std::exp(sum / 11), 1e-6);
  EXPECT_NEAR(got.margin, 2 / 11.0, 1e-6);  // the second of eleven
  EXPECT_NEAR(got.entropy, -sum / 11, 1e-6);
  EXPECT_EQ(text_signals(Scores{-50}).entropy, 1.0);
}

TEST(Signals, RefuseNothingAndNumbersThatAreNotFinite) {
  for (const Scores& bad : {Scores{}, Scores{0, kNaN}, Scores{kInf, 0}, Scores{-kInf, -kInf}}) {
    EXPECT_THROW((void)choice_signals(bad), Error);
    EXPECT_THROW((void)text_signals(bad), Error);
  }
}

ChoiceSignals with_margin(double margin) { return {margin, margin, 0}; }

TEST(Confidence, IsTheLogisticOfTheCutMarginsLogit) {
  const Calibration c{.slope = 2, .intercept = -1};
  EXPECT_NEAR(confidence(c, with_margin(0.8)), 1 / (1 + std::exp(-(2 * std::log(4.0) - 1))), 1e-12);
  EXPECT_NEAR(confidence({}, with_margin(0.3)), 0.3, 1e-12);  // slope 1: the margin itself
  EXPECT_NEAR(confidence({}, with_margin(0)), 0.001, 1e-12);
  EXPECT_NEAR(confidence({}, with_margin(1)), 0.999, 1e-12);
}

TEST(Confidence, OfChoicesIsNeverBelowAGuessAndFreeTextIsNotGuessed) {
  const Calibration c{.slope = 2, .intercept = -1, .guess = 0.25};
  const Calibration knows{.slope = 2, .intercept = -1};
  for (const double margin : {0.0, 0.3, 0.8, 1.0}) {
    const double known = confidence(knows, with_margin(margin));
    EXPECT_NEAR(confidence(c, with_margin(margin)), 0.25 + 0.75 * known, 1e-12);
    EXPECT_EQ(confidence(c, {.margin = margin, .free_text = true}), known);
  }
  EXPECT_TRUE(text_signals(Scores{-1}).free_text);
  EXPECT_FALSE(choice_signals(Scores{-1, -2}).free_text);
  EXPECT_EQ(guess_probability(4), 0.25);
  EXPECT_EQ(guess_probability(1), 0) << "no choice, nothing to guess";
  EXPECT_EQ(guess_probability(0), 0);
}

struct Sample {
  std::vector<ChoiceSignals> signals;
  std::vector<std::uint8_t> right;
};
/// Questions that are right as often as `truth` says.
Sample draw(const Calibration& truth, std::size_t n, std::uint64_t seed) {
  Rng rng(seed);
  Sample out;
  for (std::size_t i = 0; i < n; ++i) {
    out.signals.push_back(with_margin(rng.uniform()));
    out.right.push_back(rng.uniform() < confidence(truth, out.signals.back()));
  }
  return out;
}

TEST(FitCalibration, FindsTheTruthWithManyLabels) {
  const Calibration truth{.slope = 0.7, .intercept = -0.8};
  const Sample sample = draw(truth, 20000, 1);
  const Calibration got = fit_calibration(sample.signals, sample.right, {});
  EXPECT_NEAR(got.slope, 0.7, 0.05);
  EXPECT_NEAR(got.intercept, -0.8, 0.05);
  EXPECT_EQ(got.n, 20000u);
}

TEST(FitCalibration, LowersTheCalibrationErrorOfANewSample) {
  const Calibration truth{.slope = 0.5, .intercept = -1};
  const Sample fit = draw(truth, 500, 2);
  const Sample test = draw(truth, 4000, 3);
  const auto error = [&](const Calibration& c) {
    std::vector<double> p;
    for (const auto& s : test.signals) p.push_back(confidence(c, s));
    return expected_calibration_error(p, test.right);
  };
  EXPECT_GT(error({}), 0.15);
  EXPECT_LT(error(fit_calibration(fit.signals, fit.right, {})), 0.05);
}

TEST(FitCalibration, FindsTheTruthBesideGuessing) {
  const Calibration truth{.slope = 0.9, .intercept = -0.6, .guess = 0.5};
  const Sample sample = draw(truth, 40000, 6);
  const std::vector<double> guess(sample.signals.size(), 0.5);
  for (const Calibration& got : {fit_calibration(sample.signals, sample.right, {}, 10, guess),
                                 fit_calibration(sample.signals, sample.right, {.guess = 0.5})}) {
    EXPECT_NEAR(got.slope, 0.9, 0.1);
    EXPECT_NEAR(got.intercept, -0.6, 0.1);
    EXPECT_NEAR(got.guess, 0.5, 1e-9);
  }
}

TEST(FitCalibration, OfQuestionsThatAreGuessedUnlikeKeepsEachOnesGuess) {
  const Calibration line{.slope = 0.9, .intercept = -0.6};
  Sample all;
  std::vector<double> guess;
  for (const double g : {0.5, 0.1}) {
    Calibration truth = line;
    truth.guess = g;
    const Sample part = draw(truth, 20000, 7);
    all.signals.insert(all.signals.end(), part.signals.begin(), part.signals.end());
    all.right.insert(all.right.end(), part.right.begin(), part.right.end());
    guess.insert(guess.end(), part.right.size(), g);
  }
  const Calibration got = fit_calibration(all.signals, all.right, {}, 10, guess);
  EXPECT_NEAR(got.slope, 0.9, 0.1);
  EXPECT_NEAR(got.intercept, -0.6, 0.1);
  EXPECT_NEAR(got.guess, 0.3, 1e-9) << "the mean";
}

// A task of two choices answered by chance, its few examples unlucky: 9 of 32.
TEST(FitCalibration, DoesNotTakeBadLuckForLessThanAGuess) {
  Sample unlucky;
  for (int i = 0; i < 32; ++i) {
    unlucky.signals.push_back(with_margin((i + 0.5) / 32));
    unlucky.right.push_back(i % 7 < 2);
  }
  const Calibration prior{.slope = 0.5, .intercept = -0.5};
  Calibration guessing = prior;
  guessing.guess = 0.5;
  const Calibration with = fit_calibration(unlucky.signals, unlucky.right, guessing);
  const Calibration without = fit_calibration(unlucky.signals, unlucky.right, prior);
  EXPECT_LT(confidence(without, with_margin(0.5)), 0.4);
  EXPECT_LT(confidence(with, with_margin(0.5)), 0.6);
  EXPECT_GT(with.intercept, -4) << "the flat side of a guess must not send it off";
  EXPECT_GT(confidence(with, with_margin(0.95)), confidence(with, with_margin(0.05)) + 0.02)
      << "the margin still orders";
}

TEST(FitCalibration, OfFreeTextKnowsNoGuess) {
  Sample texts = draw({.slope = 0.7, .intercept = -0.8}, 20000, 8);
  for (ChoiceSignals& one : texts.signals) one.free_text = true;
  const Calibration got = fit_calibration(texts.signals, texts.right, {.guess = 0.5});
  EXPECT_NEAR(got.slope, 0.7, 0.05);
  EXPECT_NEAR(got.intercept, -0.8, 0.05);
  EXPECT_EQ(got.guess, 0.5) << "for choices";
}

// The oracle: the stated loss, on a grid around the fit.
double loss(const Sample& sample, const Calibration& c, const Calibration& prior, double prior_n) {
  double sum = 0.5 * 2 * prior_n * std::pow(c.slope - prior.slope, 2) +
               0.5 * 0.01 * prior_n * std::pow(c.intercept - prior.intercept, 2);
  const double each = prior_n / static_cast<double>(sample.signals.size());
  for (std::size_t i = 0; i < sample.signals.size(); ++i) {
    const double p = confidence(c, sample.signals[i]);
    const double believed = confidence(prior, sample.signals[i]);
    sum -= sample.right[i] != 0 ? std::log(p) : std::log(1 - p);
    sum -= each * (believed * std::log(p) + (1 - believed) * std::log(1 - p));
  }
  return sum;
}

TEST(FitCalibration, IsTheLeastPenalisedLoss) {
  for (const double guess : {0.0, 0.25}) {
    const Calibration prior{.slope = 1.5, .intercept = 0.5, .guess = guess};
    const Sample sample = draw({.slope = 0.6, .intercept = -0.5, .guess = guess}, 40, 4);
    const Calibration got = fit_calibration(sample.signals, sample.right, prior, 10);
    for (const double ds : {-0.02, 0.0, 0.02}) {
      for (const double di : {-0.02, 0.0, 0.02}) {
        Calibration other = got;
        other.slope += ds;
        other.intercept += di;
        EXPECT_GE(loss(sample, other, prior, 10), loss(sample, got, prior, 10) - 1e-6);
      }
    }
  }
}

TEST(FitCalibration, StaysNearThePriorWithFewLabelsAndIsItWithNone) {
  const Calibration prior{.slope = 1.2, .intercept = 0.3, .n = 900, .approximate = true};
  const Calibration none = fit_calibration({}, {}, prior);
  EXPECT_EQ(none.slope, prior.slope);
  EXPECT_EQ(none.n, 900u);
  const Sample few = draw({.slope = 0.1, .intercept = -3}, 4, 5);
  const Sample many = draw({.slope = 0.1, .intercept = -3}, 400, 5);
  const Calibration near = fit_calibration(few.signals, few.right, prior);
  const Calibration far = fit_calibration(many.signals, many.right, prior);
  EXPECT_LT(std::abs(near.intercept - 0.3), 1.5);
  EXPECT_GT(std::abs(far.intercept - 0.3), 2.0);
  EXPECT_TRUE(near.approximate);
}

TEST(FitCalibration, KeepsTheSlopeAtLeastZeroAndThenFitsTheShareOfRightAnswers) {
  Sample upside_down;
  for (int i = 0; i < 100; ++i) {
    upside_down.signals.push_back(with_margin(i / 100.0));
    upside_down.right.push_back(i < 30);  // right exactly where it is least sure
  }
  const Calibration got = fit_calibration(upside_down.signals, upside_down.right, {}, 0);
  EXPECT_EQ(got.slope, 0.0);
  EXPECT_NEAR(confidence(got, with_margin(0.5)), 0.3, 1e-3);
}

TEST(FitCalibration, StaysFiniteWhereTheDataSayTooMuchOrTooLittle) {
  Sample separable;
  Sample constant;
  for (int i = 0; i < 20; ++i) {
    separable.signals.push_back(with_margin(i / 20.0));
    separable.right.push_back(i >= 10);
    constant.signals.push_back(with_margin(0.5));
    constant.right.push_back(1);
  }
  for (const Sample& s : {separable, constant}) {
    for (const double prior_n : {0.0, 10.0}) {
      const Calibration got = fit_calibration(s.signals, s.right, {}, prior_n);
      EXPECT_TRUE(std::isfinite(got.slope) && std::isfinite(got.intercept));
      EXPECT_GE(got.slope, 0);
      EXPECT_GT(confidence(got, with_margin(0.9)), 0.5);
    }
  }
}

TEST(FitCalibration, RefusesSizesThatDoNotFit) {
  const std::vector<ChoiceSignals> one(1);
  const std::vector<std::uint8_t> right{1};
  EXPECT_THROW((void)fit_calibration(one, {}, {}), Error);
  EXPECT_THROW((void)fit_calibration(one, right, {}, -1), Error);
  EXPECT_THROW((void)fit_calibration(one, right, {}, 10, std::vector<double>{0.5, 0.5}), Error);
  EXPECT_THROW((void)fit_calibration(one, right, {}, 10, std::vector<double>{1}), Error);
  EXPECT_THROW((void)fit_calibration(one, right, {.guess = std::nan("")}), Error);
  const std::vector<ChoiceSignals> broken{with_margin(std::nan(""))};
  EXPECT_THROW((void)fit_calibration(broken, right, {}), Error);
}

}  // namespace
}  // namespace crayon
