#include "crayon/gate/head.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>
#include <map>
#include <utility>

#include "crayon/gate/internal/sample.h"

namespace crayon {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::FloatNear;
using ::testing::HasSubstr;
using ::testing::Pointwise;
using ::testing::Property;
using ::testing::Throws;
using Texts = std::vector<std::string>;
using Scores = std::vector<float>;

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

auto invalid(const std::string& message) {
  return Throws<Error>(AllOf(Property(&Error::code, ErrorCode::InvalidArgument),
                             Property(&Error::what, HasSubstr(message))));
}

float bias_of(const Head& head, std::string_view label) {
  const auto at = std::find(head.labels.begin(), head.labels.end(), label_hash(label));
  return head.bias.at(static_cast<std::size_t>(at - head.labels.begin()));
}

TEST(LabelHash, IsTheStartOfTheSha256WithoutCaseAndOuterBlanks) {
  // SHA-256 of "yes" starts 8a798890 fe938171
  EXPECT_EQ(label_hash("yes"), 0x8a798890fe938171u);
  EXPECT_EQ(label_hash(" \tYES\n"), label_hash("yes"));
  EXPECT_NE(label_hash("y es"), label_hash("yes"));
}

TEST(ShareLabels, IsTrueWhenHalfOfTheLabelsOccurInTwoExamples) {
  const std::vector<ScoredChoices> same(3, {{"yes", "no"}, {0, 0}});
  EXPECT_TRUE(share_labels(same));
  const std::vector<ScoredChoices> half{{{"a", "b"}, {0, 0}}, {{"A ", "c"}, {0, 0}}};
  EXPECT_FALSE(share_labels(half));  // one of three
  const std::vector<ScoredChoices> two_of_four{{{"a", "b", "c"}, {0, 0, 0}},
                                               {{"a", "b", "d"}, {0, 0, 0}}};
  EXPECT_TRUE(share_labels(two_of_four));
  const std::vector<ScoredChoices> inside_one{{{"a", "a"}, {0, 0}}};
  EXPECT_FALSE(share_labels(inside_one));
  EXPECT_FALSE(share_labels({}));
}

TEST(LabelCalibration, BiasIsTheMeanOfTheCentredScoresShrunkByTheirVariances) {
  const std::vector<ScoredChoices> examples{{{"yes", "no"}, {-1, -3}}, {{"no", "yes"}, {-6, -2}}};
  // Centred: yes +1 and +2, no -1 and -2; means +-1.5. Within a label: (4 * 0.25) / (4 - 2) = 0.5.
  // Between labels: (2 * 2 * 2.25 / 1 - 0.5 (1 + sqrt(2 / 1 + 2 / 2))) / 2.
  const double shrink = 0.5 / ((9 - 0.5 * (1 + std::sqrt(3.0))) / 2);
  const Head head = fit_label_calibration(examples);
  EXPECT_NEAR(bias_of(head, "yes"), 0.85 * 3 / (2 + shrink), 1e-6);
  EXPECT_NEAR(bias_of(head, "no"), 0.85 * -3 / (2 + shrink), 1e-6);
  EXPECT_TRUE(std::is_sorted(head.labels.begin(), head.labels.end()));
}

TEST(LabelCalibration, CountsHowOftenEachLabelWasSeen) {
  // a four times (+3 +1 +3 +1), b twice (-3 -3), c twice (-1 -1). By hand, within: 4 / 5, between:
  // ((16 + 18 + 2) / 2 - 4 / 5 (1 + sqrt(2 / 2 + 2 / 5))) / ((8 - 24 / 8) / 2).
  const std::vector<ScoredChoices> examples{
      {{"a", "b"}, {3, -3}}, {{"c", "a"}, {-1, 1}}, {{"a", "b"}, {6, 0}}, {{"a", "c"}, {0, -2}}};
  const double shrink = 0.8 / ((18 - 0.8 * (1 + std::sqrt(1.4))) / 2.5);
  const Head head = fit_label_calibration(examples);
  EXPECT_NEAR(bias_of(head, "a"), 0.85 * 8 / (4 + shrink), 1e-6);
  EXPECT_NEAR(bias_of(head, "b"), 0.85 * -6 / (2 + shrink), 1e-6);
  EXPECT_NEAR(bias_of(head, "c"), 0.85 * -2 / (2 + shrink), 1e-6);
}

/// Ten of `n_labels` labels an example; the right one is far ahead, as a good model scores.
std::vector<ScoredChoices> sure_of_the_answer(std::size_t n, std::size_t n_labels,
                                              std::uint64_t seed) {
  Rng rng(seed);
  std::vector<ScoredChoices> examples;
  std::vector<std::size_t> order(n_labels);
  for (std::size_t i = 0; i < n_labels; ++i) order[i] = i;
  for (std::size_t k = 0; k < n; ++k) {
    rng.shuffle(order);
    ScoredChoices example;
    for (std::size_t c = 0; c < 10; ++c) {
      example.choices.push_back(std::to_string(order[c]));
      example.scores.push_back((c == 0 ? 8.0f : 0.0f) + static_cast<float>(rng.normal()));
    }
    examples.push_back(std::move(example));
  }
  return examples;
}

TEST(LabelCalibration, LeavesASureModelNearlyAsItWas) {
  // 32 examples, 77 labels: one that was the answer once of its four times has a mean of about 1.
  double bias = 0;
  double raw = 0;
  for (const std::uint64_t seed : {1, 2, 3, 4, 5}) {
    const auto examples = sure_of_the_answer(32, 77, seed);
    std::map<std::string, std::pair<double, int>> means;
    for (const ScoredChoices& example : examples) {
      for (std::size_t c = 0; c < example.choices.size(); ++c) {
        means[example.choices[c]].first += example.scores[c] - 0.8;
        ++means[example.choices[c]].second;
      }
    }
    for (const auto& [label, sum] : means) raw += std::abs(sum.first / sum.second);
    for (const float b : fit_label_calibration(examples).bias) bias += std::abs(b);
  }
  EXPECT_LT(bias, 0.25 * raw);
}

TEST(LabelCalibration, IsEmptyWhereLabelsLeanNoMoreThanChanceExplains) {
  const std::vector<ScoredChoices> examples{{{"yes", "no"}, {1, -1}}, {{"yes", "no"}, {-1, 1}}};
  EXPECT_TRUE(fit_label_calibration(examples).empty());
}

TEST(LabelCalibration, TakesAwayAConstantLeaningTowardsALabel) {
  Rng rng(1);
  const Texts labels{"sports", "world", "business"};
  std::vector<ScoredChoices> examples;
  std::vector<std::size_t> truth;
  for (int i = 0; i < 90; ++i) {
    truth.push_back(rng.below(3));
    Scores scores{2.0f, 0.0f, -1.0f};  // the leaning hides the signal below
    scores[truth.back()] += 1.0f;
    for (float& s : scores) s += 0.2f * static_cast<float>(rng.normal());
    examples.push_back({labels, scores});
  }
  const Head head = fit_label_calibration(examples);
  const auto right = [&](const Head& used) {
    int n = 0;
    for (std::size_t i = 0; i < examples.size(); ++i) {
      const auto s = apply_head(used, examples[i].choices, examples[i].scores, {});
      n += static_cast<std::size_t>(std::max_element(s.begin(), s.end()) - s.begin()) == truth[i];
    }
    return n;
  };
  EXPECT_LT(right({}), 50);
  EXPECT_GT(right(head), 80);
}

TEST(LabelCalibration, IsEmptyWhenLabelsAreNotShared) {
  const std::vector<ScoredChoices> examples{{{"a", "b"}, {0, 1}}, {{"c", "d"}, {0, 1}}};
  EXPECT_TRUE(fit_label_calibration(examples).empty());
  EXPECT_TRUE(fit_label_calibration({}).empty());
}

TEST(ApplyHead, LeavesScoresWithoutAHeadAndOfUnknownLabels) {
  EXPECT_THAT(apply_head({}, Texts{"a", "b"}, Scores{1, 2}, {}), ElementsAre(1, 2));
  Head head;
  head.labels = {label_hash("a")};
  head.bias = {0.5f};
  EXPECT_THAT(apply_head(head, Texts{" A", "b"}, Scores{1, 2}, {}), ElementsAre(0.5f, 2));
}

TEST(ApplyHead, AddsTheWeightedProbe) {
  Head head;
  head.labels = {label_hash("a")};
  head.probe = Matrix(1, 3);
  head.probe.data = {1, 2, 10};
  head.probe_weight = 0.5f;
  EXPECT_THAT(apply_head(head, Texts{"a", "b"}, Scores{1, 2}, Scores{3, -1}),
              ElementsAre(1 + 0.5f * (3 - 2 + 10), 2));
}

TEST(ApplyHead, RefusesSizesThatDoNotFit) {
  Head head;
  head.labels = {1, 2};
  head.bias = {0};
  EXPECT_THAT([&] { (void)apply_head(head, Texts{"a"}, Scores{1}, {}); },
              invalid("1 biases for 2 labels"));
  head.bias = {};
  head.probe = Matrix(2, 3);
  EXPECT_THAT([&] { (void)apply_head(head, Texts{"a"}, Scores{1}, Scores{1}); },
              invalid("probe [2, 3] with 2 labels and an embedding of 1 numbers"));
  EXPECT_THAT(
      [&] {
        (void)apply_head(head, Texts{"a"}, Scores{1, 2}, {});
      },
      invalid("2 scores for 1 choices"));
  const std::vector<ScoredChoices> broken{{{"a", "b"}, {0, kNaN}}};
  EXPECT_THAT([&] { (void)fit_label_calibration(broken); }, invalid("not finite"));
}

/// Ridge loss of a probe: squared error of one-hot labels plus lambda |W|^2 without the constant.
double ridge_loss(const Head& head, const Matrix& z, const Texts& labels, double lambda) {
  double loss = 0;
  for (std::size_t l = 0; l < head.labels.size(); ++l) {
    const auto row = head.probe.row(l);
    for (std::size_t i = 0; i < z.rows; ++i) {
      const double score = internal::dot(row.first(z.cols), z.row(i)) + double{row.back()};
      const double target = label_hash(labels[i]) == head.labels[l] ? 1 : 0;
      loss += (score - target) * (score - target);
    }
    loss += lambda * internal::dot(row.first(z.cols), row.first(z.cols));
  }
  return loss;
}

TEST(Probe, MinimisesTheRidgeLoss) {
  Rng rng(2);
  const Matrix z = internal::random_unit_rows(12, 4, rng);
  Texts labels;
  for (std::size_t i = 0; i < z.rows; ++i) labels.push_back(i % 3 == 0 ? "a" : "b");
  for (const double lambda : {0.1, 10.0}) {
    const Head head = fit_probe(z, labels, lambda);
    ASSERT_EQ(head.probe.rows, 2u);
    ASSERT_EQ(head.probe.cols, 5u);
    const double least = ridge_loss(head, z, labels, lambda);
    for (std::size_t i = 0; i < head.probe.data.size(); ++i) {
      for (const float shift : {-0.01f, 0.01f}) {
        Head other = head;
        other.probe.data[i] += shift;
        EXPECT_GT(ridge_loss(other, z, labels, lambda), least) << "number " << i;
      }
    }
  }
}

TEST(Probe, TellsClustersApartThatItWasNotFittedOn) {
  Rng rng(3);
  const Matrix centres = internal::random_unit_rows(3, 16, rng);
  const Texts names{"x", "y", "z"};
  Matrix z(0, 16);
  Texts labels;
  for (std::size_t k = 0; k < 3; ++k) {
    const Matrix rows = internal::cluster(10, centres.row(k), 0.1, rng);
    z.data.insert(z.data.end(), rows.data.begin(), rows.data.end());
    z.rows += 10;
    labels.insert(labels.end(), 10, names[k]);
  }
  const Head head = fit_probe(z, labels);
  for (std::size_t k = 0; k < 3; ++k) {
    const Matrix fresh = internal::cluster(20, centres.row(k), 0.1, rng);
    for (std::size_t i = 0; i < 20; ++i) {
      const auto s = apply_head(head, names, Scores(3), fresh.row(i));
      EXPECT_EQ(static_cast<std::size_t>(std::max_element(s.begin(), s.end()) - s.begin()), k);
    }
  }
}

TEST(Probe, AHugePenaltyLeavesTheSharesOfTheLabels) {
  Rng rng(4);
  const Matrix z = internal::random_unit_rows(4, 3, rng);
  const Texts labels{"a", "a", "a", "b"};
  const Head head = fit_probe(z, labels, 1e9);
  EXPECT_THAT(apply_head(head, Texts{"a", "b", "c"}, Scores(3), z.row(0)),
              Pointwise(FloatNear(1e-5f), {0.75f, 0.25f, 0.0f}));
}

TEST(Probe, RefusesSizesThatDoNotFit) {
  EXPECT_THAT([] { (void)fit_probe(Matrix(2, 3), Texts{"a"}); }, invalid("1 labels"));
  EXPECT_THAT([] { (void)fit_probe(Matrix(0, 3), Texts{}); }, invalid("0 labels"));
  EXPECT_THAT([] { (void)fit_probe(Matrix(1, 3), Texts{"a"}, 0.0); }, invalid("lambda 0"));
  Matrix broken(1, 3);
  broken.data[0] = kNaN;
  EXPECT_THAT([&] { (void)fit_probe(broken, Texts{"a"}); }, invalid("not finite"));
}

TEST(ApplyHead, AddsTheChoiceProbeToWhatTheLabelsSay) {
  const Texts choices = {"yes", "no"};
  const Scores scores = {1, 2};
  Matrix states(2, 2);
  states.data = {1, 1, 1, -1};  // of rms 1; less their mean: (0, 1) and (0, -1)
  const Head probe{.labels = {}, .bias = {}, .probe = {}, .choice_probe = {5, 0.5f}};
  EXPECT_FALSE(probe.empty());
  EXPECT_THAT(apply_head(probe, choices, scores, {}, states), ElementsAre(1.5f, 1.5f));
  Head bias{.labels = {label_hash("no")}, .bias = {4}, .probe = {}, .choice_probe = {}};
  for (const Head& joined : {join_heads(bias, probe), join_heads(probe, bias)}) {
    EXPECT_THAT(apply_head(joined, choices, scores, {}, states), ElementsAre(1.5f, -2.5f));
  }
  EXPECT_THAT([&] { (void)apply_head(probe, choices, scores, {}); }, invalid("states of 0"));
  EXPECT_THROW((void)join_heads(probe, probe), Error);
}

TEST(JoinHeads, ActsAsBothOneAfterTheOther) {
  Rng rng(5);
  const Matrix z = internal::random_unit_rows(6, 4, rng);
  const Head probe = fit_probe(z, Texts{"a", "b", "a", "b", "c", "c"});
  const std::vector<ScoredChoices> scored(2, {{"b", "d", "e"}, {1, 5, 2}});
  const Head bias = fit_label_calibration(scored);
  const Texts choices{"a", "b", "c", "d", "e", "f"};
  const Scores scores{1, 2, 3, 4, 5, 6};

  const auto want = apply_head(probe, choices, apply_head(bias, choices, scores, {}), z.row(0));

  for (const Head& joined : {join_heads(bias, probe), join_heads(probe, bias)}) {
    EXPECT_EQ(joined.labels.size(), 5u);
    EXPECT_THAT(apply_head(joined, choices, scores, z.row(0)), Pointwise(FloatNear(1e-5f), want));
  }
  EXPECT_EQ(join_heads({}, bias).bias, bias.bias);
  EXPECT_EQ(join_heads(bias, {}).labels, bias.labels);
  EXPECT_THROW((void)join_heads(bias, bias), Error);
  EXPECT_THROW((void)join_heads(probe, probe), Error);
}

}  // namespace
}  // namespace crayon
