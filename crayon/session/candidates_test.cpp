#include "crayon/session/candidates.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "crayon/base/error.h"
#include "crayon/base/random.h"

namespace crayon {
namespace {

using ::testing::ElementsAre;
using ::testing::FloatNear;
using ::testing::Pointwise;

/// n examples with three shared labels; z tells the label, the scores are noise plus `shift`.
ChoiceData three_labels(std::size_t n) {
  ChoiceData data;
  data.z = Matrix(n, 3);
  for (std::size_t k = 0; k < n; ++k) {
    data.choices.push_back({"red", "green", "blue"});
    data.answers.push_back(static_cast<int>(k % 3));
    data.z.at(k, k % 3) = 1;
  }
  return data;
}

ScoreTable noise(std::size_t n, double size) {
  Rng rng(3);
  ScoreTable scores(n, std::vector<float>(3));
  for (auto& row : scores) {
    for (float& s : row) s = static_cast<float>(size * rng.normal());
  }
  return scores;
}

TEST(Judge, CountsRightAnswersAndTheirLossAtAScaleFittedWithoutEach) {
  const ScoreTable scores = {{1, 0}, {0, 2}, {0, 1}};
  const int answers[] = {0, 1, 0};

  const Candidate got = judge("x", scores, answers);

  EXPECT_EQ(got.name, "x");
  EXPECT_NEAR(got.accuracy.accuracy, 2.0 / 3, 1e-12);
  double slow = 0;  // the same grid, walked for each example
  for (std::size_t out = 0; out < 3; ++out) {
    double least = 1e9;
    double own = 0;
    for (int i = 0; i < 43; ++i) {
      const double log_beta = (i / 6.0 - 3) * std::log(2.0);
      double total = log_beta * log_beta / 8;
      double at_out = 0;
      for (std::size_t k = 0; k < 3; ++k) {
        const double margin = std::exp(log_beta) * static_cast<double>(scores[k][1 - answers[k]] -
                                                                       scores[k][answers[k]]);
        (k == out ? at_out : total) += std::log1p(std::exp(margin));
      }
      if (total < least - 1e-12) least = total, own = at_out;
    }
    slow += own / 3;
  }
  EXPECT_NEAR(got.log_loss, slow, 1e-6);
}

TEST(Judge, DoesNotCareForTheScaleOfTheScores) {
  ScoreTable scores = noise(30, 1);
  std::vector<int> answers;
  for (std::size_t k = 0; k < 30; ++k) {
    answers.push_back(static_cast<int>(k % 3));
    scores[k][k % 3] += 1;
  }
  ScoreTable bold = scores;
  for (auto& row : bold) {
    for (float& s : row) s *= 4;  // a whole number of steps of the grid
  }
  EXPECT_NEAR(judge("x", scores, answers).log_loss, judge("x", bold, answers).log_loss, 0.02);
}

TEST(Judge, RefusesToJudgeNothing) { EXPECT_THROW((void)judge("x", {}, {}), Error); }

TEST(FitScale, IsLargeForSureScoresAndSmallForNoise) {
  ScoreTable sure(20, {0.2f, 0.0f});
  const std::vector<int> first(20, 0);
  EXPECT_GT(fit_scale(sure, first), 4);
  std::vector<int> random;
  for (std::size_t k = 0; k < 20; ++k) random.push_back(static_cast<int>(k % 3));
  EXPECT_LT(fit_scale(noise(20, 5), random), 0.5);
}

TEST(Candidates, AreOneWhereLabelsAreNotShared) {
  ChoiceData data = three_labels(6);
  for (std::size_t k = 0; k < 6; ++k) {
    for (std::string& choice : data.choices[k]) choice += std::to_string(k);
  }
  EXPECT_EQ(candidates("blend", data, noise(6, 1)).size(), 1u);
}

TEST(Candidates, LabelCalibrationUndoesABiasOfOneLabel) {
  const ChoiceData data = three_labels(30);
  ScoreTable scores = noise(30, 0.05);
  for (std::size_t k = 0; k < 30; ++k) {
    scores[k][k % 3] += 1;
    scores[k][1] += 3;  // the model always likes green
  }

  const auto got = candidates("blend", data, scores);

  ASSERT_EQ(got.size(), 3u);
  EXPECT_EQ(got[0].name, "blend");
  EXPECT_EQ(got[1].name, "blend+labels");
  EXPECT_EQ(got[2].name, "blend+labels+probe");
  EXPECT_NEAR(got[0].accuracy.accuracy, 1.0 / 3, 1e-9);
  EXPECT_EQ(got[1].accuracy.accuracy, 1);
  EXPECT_LT(got[1].log_loss, got[0].log_loss);
  EXPECT_EQ(got[1].head.labels.size(), 3u);
}

/// States in which number 2 is greater for the right choice.
std::vector<Matrix> telling_states(const ChoiceData& data) {
  Rng rng(5);
  std::vector<Matrix> states;
  for (std::size_t k = 0; k < data.answers.size(); ++k) {
    Matrix one(data.choices[k].size(), 6);
    for (float& x : one.data) x = static_cast<float>(rng.normal());
    one.at(static_cast<std::size_t>(data.answers[k]), 2) += 4;
    states.push_back(std::move(one));
  }
  return states;
}

TEST(Candidates, AChoiceProbeReadsWhatTheScoresDoNotSay) {
  ChoiceData data = three_labels(30);
  const ScoreTable scores = noise(30, 0.3);
  const auto states = telling_states(data);

  auto got = candidates("blend", data, scores, states);
  ASSERT_EQ(got.size(), 4u);
  EXPECT_EQ(got[3].name, "blend+labels+choices");
  EXPECT_GT(got[3].accuracy.accuracy, 0.75);
  EXPECT_LT(got[1].accuracy.accuracy, 0.6);
  EXPECT_EQ(got[3].head.labels, got[1].head.labels);
  EXPECT_EQ(got[3].head.choice_probe.size(), 6u);
  EXPECT_EQ(usual_candidate(got), 3u);

  for (std::size_t k = 0; k < 30; ++k) {
    for (std::string& choice : data.choices[k]) choice += std::to_string(k);
  }
  got = candidates("base", data, scores, states);
  ASSERT_EQ(got.size(), 2u);
  EXPECT_EQ(got[1].name, "base+choices");
  EXPECT_EQ(usual_candidate(got), 1u);
}

TEST(Candidates, TheUsualOneOfFewAnswersHasNoChoiceProbe) {
  const ChoiceData data = three_labels(kFewAnswers - 1);
  const ScoreTable scores = noise(kFewAnswers - 1, 1);
  const auto with = candidates("blend", data, scores, telling_states(data));
  EXPECT_EQ(with.back().name, "blend+labels+choices");
  EXPECT_EQ(usual_candidate(with), 1u);
  EXPECT_EQ(usual_candidate(candidates("blend", data, scores)), 1u);
}

TEST(Candidates, LabelBiasesOfAnExampleAreFittedWithoutIt) {
  const ChoiceData data = three_labels(7);
  const ScoreTable scores = noise(7, 1);

  const auto got = candidates("blend", data, scores);

  for (std::size_t k = 0; k < 7; ++k) {
    std::vector<ScoredChoices> others;
    for (std::size_t j = 0; j < 7; ++j) {
      if (j != k) others.push_back({data.choices[j], scores[j]});
    }
    std::vector<int> answers = data.answers;
    answers.erase(answers.begin() + static_cast<std::ptrdiff_t>(k));
    const Head head = fit_label_biases(others, answers, fit_label_calibration(others));
    const auto want = apply_head(head, data.choices[k], scores[k], {});
    EXPECT_THAT(got[1].scores[k], Pointwise(FloatNear(1e-6f), want)) << k;
  }
}

Candidate with_losses(const std::string& name, const std::vector<double>& losses) {
  Candidate candidate;
  candidate.name = name;
  candidate.losses = losses;
  return candidate;
}

TEST(Candidates, TheUsualOneIsKeptUnlessAnotherIsClearlyBetter) {
  const std::vector<Candidate> all = {
      with_losses("usual", {1, 1, 1, 1}), with_losses("lucky once", {1.3, 1.3, 1.3, -2}),
      with_losses("a little", {0.9, 0.9, 0.9, 0.9}), with_losses("much", {0.5, 0.7, 0.5, 0.7})};
  EXPECT_EQ(choose_candidate(std::span(all).first(2), 0).name, "usual");
  EXPECT_EQ(choose_candidate(std::span(all).first(3), 0).name, "a little");
  EXPECT_EQ(choose_candidate(all, 0).name, "much");
  EXPECT_EQ(choose_candidate(all, 3).name, "much");
}

TEST(Candidates, UnlabelledExamplesHelpTheBiasesButAreNotJudged) {
  ChoiceData data = three_labels(12);
  for (std::size_t k = 6; k < 12; ++k) data.answers[k] = -1;
  const auto got = candidates("blend", data, noise(12, 1));
  EXPECT_EQ(got[1].accuracy.n, 6u);
  EXPECT_EQ(got[1].scores.size(), 6u);
}

TEST(Candidates, TheProbeWinsWhereTheScoresKnowNothing) {
  const ChoiceData data = three_labels(30);
  const auto got = candidates("base", data, noise(30, 0.1));
  EXPECT_EQ(got[2].accuracy.accuracy, 1);
  EXPECT_LT(got[2].log_loss, 0.5 * got[0].log_loss);
  EXPECT_GT(got[2].head.probe_weight, 0);
}

TEST(Labelled, AreTheExamplesWithAnAnswer) {
  ChoiceData data = three_labels(4);
  data.answers = {-1, 2, -1, 0};
  EXPECT_THAT(labelled(data), ElementsAre(1, 3));
}

}  // namespace
}  // namespace crayon
