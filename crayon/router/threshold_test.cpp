#include "crayon/router/threshold.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "crayon/base/error.h"
#include "crayon/base/random.h"

namespace crayon {
namespace {

using ::testing::HasSubstr;
using ::testing::Property;
using ::testing::Throws;

/// A task: how sure the device is, how often it is then right, and how often the server is.
struct Population {
  const char* name;
  std::function<double(Rng&)> margin;
  std::function<double(double)> right;
  double server_right = 0.8;
};

std::vector<Population> populations() {
  return {
      {"well ordered", [](Rng& rng) { return rng.uniform(); }, [](double m) { return m; }},
      {"good device", [](Rng& rng) { return std::sqrt(rng.uniform()); },
       [](double m) { return 0.8 + 0.2 * m; }},
      {"margin says nothing", [](Rng& rng) { return rng.uniform(); }, [](double) { return 0.5; }},
      {"most sure where wrong", [](Rng& rng) { return rng.uniform(); },
       [](double m) { return 1 - m; }},
      {"five values", [](Rng& rng) { return static_cast<double>(rng.below(5)) / 4; },
       [](double m) { return 0.3 + 0.6 * m; }},
      {"one value", [](Rng&) { return 0.5; }, [](double) { return 0.9; }},
  };
}

std::vector<JudgedSignals> draw(const Population& from, std::size_t n, Rng& rng) {
  std::vector<JudgedSignals> out(n);
  for (JudgedSignals& example : out) {
    example.signals.margin = from.margin(rng);
    example.right = rng.uniform() < from.right(example.signals.margin);
    example.server_right = rng.uniform() < from.server_right;
  }
  return out;
}

struct Mean {
  double mean = 0;
  double error = 0;
};
Mean mean_of(const std::vector<double>& values) {
  const auto n = static_cast<double>(values.size());
  double sum = 0, squares = 0;
  for (const double v : values) sum += v, squares += v * v;
  return {sum / n, std::sqrt((squares / n - sum / n * sum / n) / n)};
}

// The promise itself: over many draws of the examples, the mean risk on fresh requests.
TEST(RiskThreshold, HoldsTheRiskOnFreshRequestsOfEveryKindOfTask) {
  constexpr std::size_t kDraws = 400;
  for (const Population& population : populations()) {
    for (const std::size_t n : {20u, 64u}) {
      for (const double risk : {0.05, 0.1, 0.3}) {
        Rng rng(n, population.name);
        std::vector<double> realised;
        for (std::size_t d = 0; d < kDraws; ++d) {
          const RiskThreshold t = risk_threshold(draw(population, n, rng), risk);
          double lost = 0;
          for (const JudgedSignals& x : draw(population, 200, rng)) {
            lost += x.signals.margin > t.margin && !x.right ? 1.0 / 200 : 0;
          }
          realised.push_back(lost);
        }
        const Mean got = mean_of(realised);
        EXPECT_LE(got.mean, risk + 2 * got.error) << population.name << " n " << n << " " << risk;
      }
    }
  }
}

TEST(RiskThreshold, WastesLittleWhereMarginsAreDistinctAndTheDeviceErrsEnough) {
  Rng rng(3);
  const Population population = populations()[2];
  std::vector<double> realised;
  for (int d = 0; d < 2000; ++d) {
    const RiskThreshold t = risk_threshold(draw(population, 50, rng), 0.2);
    realised.push_back((1 - std::max(0.0, t.margin)) * 0.5);  // exactly, as margins are uniform
  }
  EXPECT_GT(mean_of(realised).mean, 0.2 - 2.0 / 51) << "the bound of the paper from below";
}

TEST(RiskThreshold, AgainstTheServerKeepsTheMixNearTheServersOwnRisk) {
  const Population population = populations()[1];
  for (const double risk : {0.05, 0.15}) {
    Rng rng(7);
    std::vector<double> excess;
    for (int d = 0; d < 400; ++d) {
      const auto examples = draw(population, 40, rng);
      const RiskThreshold t = risk_threshold(examples, risk, Risk::WorseThanServer);
      EXPECT_LE(t.margin, risk_threshold(examples, risk).margin) << "never stricter";
      double more = 0;
      for (const JudgedSignals& x : draw(population, 200, rng)) {
        if (x.signals.margin <= t.margin) continue;
        more += (static_cast<double>(!x.right) - static_cast<double>(!*x.server_right)) / 200;
      }
      excess.push_back(more);
    }
    EXPECT_LE(mean_of(excess).mean, risk + 2 * mean_of(excess).error);
  }
}

// The oracle walks over all thresholds and takes the infimum by its definition.
TEST(RiskThreshold, IsTheLeastThresholdThatTheFormulaAllows) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    Rng rng(seed);
    const auto examples = draw(populations()[seed % 6], 10 + seed % 30, rng);
    const double risk = 0.1 + 0.3 * rng.uniform();
    const RiskThreshold got = risk_threshold(examples, risk);
    const auto bound = [&](double threshold) {
      double lost = 0;
      for (const auto& x : examples) lost += x.signals.margin > threshold && !x.right;
      return (lost + 1) / static_cast<double>(examples.size() + 1);
    };
    EXPECT_LE(bound(got.margin), risk + 1e-9);
    EXPECT_DOUBLE_EQ(bound(got.margin), got.bound);
    if (std::isfinite(got.margin)) {
      EXPECT_GT(bound(got.margin - 1e-9), risk) << "a lower one would do too";
    }
  }
}

TEST(RiskThreshold, RefusesTooFewExamplesAndNamesTheLeastRiskAndTheExamplesItTakes) {
  Rng rng(1);
  const auto examples = draw(populations()[0], 32, rng);
  EXPECT_THAT([&] { (void)risk_threshold(examples, 0.03); },
              Throws<Error>(Property(
                  &Error::what, ::testing::AllOf(HasSubstr("32 labelled examples cannot promise a "
                                                           "risk of 0.03; it takes 33"),
                                                 HasSubstr("0.0304")))));
  EXPECT_NO_THROW((void)risk_threshold(examples, 0.0304)) << "the value that the message names";
  EXPECT_NO_THROW((void)risk_threshold(examples, least_risk(32)));
  EXPECT_EQ(examples_for_risk(0.05), 19u);
  EXPECT_EQ(examples_for_risk(0.1), 9u) << "though 1 / 0.1 - 1 is rounded";
  EXPECT_EQ(examples_for_risk(1), 0u);
  for (const double bad : {0.0, -1.0, 1.5, std::nan("")}) {
    EXPECT_THROW((void)risk_threshold(examples, bad), Error) << bad;
  }
  auto unasked = examples;
  unasked[3].server_right.reset();
  unasked[3].right = false;
  EXPECT_THROW((void)risk_threshold(unasked, 0.5, Risk::WorseThanServer), Error);
  unasked[3].signals.margin = std::nan("");
  EXPECT_THROW((void)risk_threshold(unasked, 0.5), Error);
}

TEST(RiskThreshold, OfEqualMarginsIsAllOrNothing) {
  std::vector<JudgedSignals> examples(40, {.signals = {.margin = 0.5}, .right = true});
  EXPECT_EQ(risk_threshold(examples, 0.05).margin, kNoThreshold);
  for (int k = 0; k < 20; ++k) examples[static_cast<std::size_t>(k)].right = false;
  const RiskThreshold got = risk_threshold(examples, 0.1);
  EXPECT_EQ(got.margin, 0.5);
  EXPECT_EQ(got.device_share, 0);
}

TEST(RiskConfidence, DecidesAsTheMarginDoesAndLessWhereTheCalibrationIsFlat) {
  const RiskThreshold threshold{.margin = 0.6};
  const Calibration steep{.slope = 2, .intercept = -1};
  const Calibration guessed{.slope = 2, .intercept = -1, .guess = 0.5};
  const Calibration flat{.slope = 0, .intercept = 3};
  for (const double margin : {0.1, 0.59, 0.6, 0.61, 0.9}) {
    const ChoiceSignals signals{.margin = margin};
    for (const Calibration& c : {steep, guessed}) {
      EXPECT_EQ(confidence(c, signals) > risk_confidence(threshold, c), margin > 0.6);
    }
    EXPECT_FALSE(confidence(flat, signals) > risk_confidence(threshold, flat));
  }
  EXPECT_EQ(risk_confidence({.margin = kNoThreshold}, flat), kNoThreshold);
}

TEST(RiskConfidence, OfFreeTextDecidesAsTheMarginDoesThere) {
  std::vector<JudgedSignals> texts;
  for (int k = 0; k < 40; ++k) {
    texts.push_back({.signals = {.margin = k / 40.0, .free_text = true}, .right = k > 10});
  }
  const RiskThreshold threshold = risk_threshold(texts, 0.1);
  EXPECT_TRUE(threshold.free_text);
  const Calibration guessed{.slope = 2, .intercept = -1, .guess = 0.5};
  for (const JudgedSignals& text : texts) {
    EXPECT_EQ(confidence(guessed, text.signals) > risk_confidence(threshold, guessed),
              text.signals.margin > threshold.margin);
  }
  texts[0].signals.free_text = false;
  EXPECT_FALSE(risk_threshold(texts, 0.1).free_text);
}

TEST(RiskCoverage, WalksFromEverythingToTheSurest) {
  const std::vector<JudgedSignals> examples{{.signals = {.margin = 0.2}, .right = false},
                                            {.signals = {.margin = 0.9}, .right = true},
                                            {.signals = {.margin = 0.5}, .right = false},
                                            {.signals = {.margin = 0.5}, .right = true}};
  const auto got = risk_coverage(examples);
  ASSERT_EQ(got.size(), 3u);
  EXPECT_DOUBLE_EQ(got[0].coverage, 1);
  EXPECT_DOUBLE_EQ(got[0].risk, 0.5);
  EXPECT_DOUBLE_EQ(got[1].coverage, 0.75);
  EXPECT_DOUBLE_EQ(got[1].risk, 0.25);
  EXPECT_DOUBLE_EQ(got[1].error, 1 / 3.0);
  EXPECT_DOUBLE_EQ(got[2].error, 0);
  EXPECT_TRUE(risk_coverage({}).empty());
}

}  // namespace
}  // namespace crayon
