// Routing metrics against numbers known of public data (tests/golden/routing/README.md).
#include <gmock/gmock.h>
#include <zlib.h>

#include <cstdio>
#include <string>

#include "crayon/base/random.h"
#include "crayon/stats/routing.h"
#include "crayon/stats/stats.h"

namespace crayon {
namespace {

/// Both models' answers to one benchmark; no scores yet.
RoutedAnswers read_answers(const std::string& benchmark) {
  const std::string path =
      std::string(CRAYON_SOURCE_DIR) + "/tests/golden/routing/weak_strong_correctness.csv.gz";
  gzFile file = gzopen(path.c_str(), "rb");
  RoutedAnswers answers;
  char line[256];
  while (file != nullptr && gzgets(file, line, sizeof line) != nullptr) {
    std::string text(line);
    while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
    if (!text.starts_with(benchmark + ",")) continue;
    answers.server.push_back(text.back() == '1');
    answers.device.push_back(text[text.size() - 3] == '1');
  }
  if (file != nullptr) gzclose(file);
  return answers;
}

RoutedAnswers by_oracle(RoutedAnswers answers) {
  for (std::size_t i = 0; i < answers.device.size(); ++i) {
    answers.scores.push_back(int{answers.device[i]} - int{answers.server[i]});
  }
  return answers;
}

/// As the table prints it.
std::string percent(double share) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f", 100 * share);
  return text;
}

struct Known {
  const char* benchmark;
  std::size_t n;
  const char* weak;
  const char* strong;
  const char* only_strong;
  const char* only_weak;
  const char* oracle_accuracy;
  const char* oracle_cpt50;
  const char* oracle_cpt80;
};

class Golden : public ::testing::TestWithParam<Known> {};

TEST_P(Golden, IsReproducedToThePrintedDigits) {
  const Known& known = GetParam();
  const RoutedAnswers answers = by_oracle(read_answers(known.benchmark));
  ASSERT_EQ(answers.scores.size(), known.n);
  const auto share_of = [&](double score) {
    return static_cast<double>(std::ranges::count(answers.scores, score)) /
           static_cast<double>(known.n);
  };
  EXPECT_EQ(percent(share_of(-1)), known.only_strong);
  EXPECT_EQ(percent(share_of(1)), known.only_weak);
  const DeferralCurve curve = deferral_curve(answers);
  EXPECT_EQ(percent(curve.device()), known.weak);
  EXPECT_EQ(percent(curve.server()), known.strong);
  const auto best = std::ranges::max_element(curve.accuracy, [](double x, double y) {
    return x < y - 1e-12;  // the first of equal ones
  });
  EXPECT_EQ(percent(*best), known.oracle_accuracy);
  EXPECT_EQ(
      percent(static_cast<double>(best - curve.accuracy.begin()) / static_cast<double>(known.n)),
      known.only_strong);  // the oracle's calls
  EXPECT_EQ(percent(*call_threshold(curve, 0.5)), known.oracle_cpt50);
  EXPECT_EQ(percent(*call_threshold(curve, 0.8)), known.oracle_cpt80);
}

TEST_P(Golden, ARandomRouterRecoversHalfOfTheGap) {
  RoutedAnswers answers = read_answers(GetParam().benchmark);
  answers.scores.assign(answers.device.size(), 0.25);
  EXPECT_NEAR(*mean_gap_recovered(deferral_curve(answers)), 0.5, 1e-12);
  double sum = 0;
  constexpr int kRouters = 50;
  for (int seed = 0; seed < kRouters; ++seed) {
    Rng rng(static_cast<std::uint64_t>(seed));
    for (double& score : answers.scores) score = rng.uniform();
    sum += *mean_gap_recovered(deferral_curve(answers));
  }
  EXPECT_NEAR(sum / kRouters, 0.5, 0.01);
}

INSTANTIATE_TEST_SUITE_P(PublicData, Golden,
                         ::testing::Values(Known{"gsm8k", 1307, "63.73", "85.77", "29.23", "7.19",
                                                 "92.96", "11.02", "17.63"},
                                           Known{"mmlu", 14037, "68.09", "80.59", "17.78", "5.29",
                                                 "85.87", "6.25", "10.00"}),
                         [](const auto& one) { return std::string(one.param.benchmark); });

}  // namespace
}  // namespace crayon
