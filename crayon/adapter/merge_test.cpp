#include "crayon/adapter/merge.h"

#include <gmock/gmock.h>

#include <Eigen/SVD>
#include <limits>

#include "crayon/adapter/internal/merge_golden.h"
#include "crayon/adapter/internal/sample.h"
#include "crayon/adapter/internal/ties.h"
#include "crayon/base/error.h"
#include "tests/errors.h"

namespace crayon {
namespace {

using internal::dense;
using internal::dense_delta;
using internal::Json;
using internal::merge_golden;
using internal::relative_error;
using internal::sample_adapter;
using internal::sample_tensor;
using internal::to_adapter;
using internal::to_adapters;
using internal::to_matrix;
using internal::to_parts;
using test::error_of;
using ::testing::Each;
using ::testing::ElementsAre;

// Both sides compute in float32 or better and store float32: a few units in the last place.
constexpr double kTolerance = 1e-6;

void expect_factors(const Adapter& got, const Json& want) {
  const Adapter expected = to_adapter(want);
  ASSERT_EQ(got.tensors.size(), expected.tensors.size());
  for (std::size_t i = 0; i < got.tensors.size(); ++i) {
    EXPECT_EQ(got.tensors[i].name, expected.tensors[i].name);
    EXPECT_EQ(got.tensors[i].scale, expected.tensors[i].scale);
    EXPECT_LT(relative_error(dense(got.tensors[i].a), dense(expected.tensors[i].a)), kTolerance);
    EXPECT_LT(relative_error(dense(got.tensors[i].b), dense(expected.tensors[i].b)), kTolerance);
  }
}

/// The cases of one method; a test that got none would check nothing.
std::vector<Json> cases_of(const char* method, const char* list = "cases") {
  std::vector<Json> found;
  for (const Json& one : merge_golden().at(list)) {
    if (one.at("method") == method) found.push_back(one);
  }
  EXPECT_FALSE(found.empty()) << method;
  return found;
}

/// sum_i w_i f(scale_i) B_i A_i at one tensor
template <typename F>
Eigen::MatrixXd weighted_products(const std::vector<BlendPart>& parts, std::size_t tensor, F f) {
  Eigen::MatrixXd sum = Eigen::MatrixXd::Zero(dense_delta(parts[0].adapter.tensors[tensor]).rows(),
                                              dense_delta(parts[0].adapter.tensors[tensor]).cols());
  for (const BlendPart& part : parts) {
    const LoraTensor& t = part.adapter.tensors[tensor];
    sum += double{part.weight} * f(double{t.scale}) * dense(t.b) * dense(t.a);
  }
  return sum;
}

Eigen::MatrixXd truncated(const Eigen::MatrixXd& m, Eigen::Index rank) {
  const Eigen::JacobiSVD<Eigen::MatrixXd> svd(m, Eigen::ComputeThinU | Eigen::ComputeThinV);
  return svd.matrixU().leftCols(rank) * svd.singularValues().head(rank).asDiagonal() *
         svd.matrixV().leftCols(rank).transpose();
}

TEST(MergeLinear, EqualsPeftAlsoForNegativeWeightsAndThoseAboveOne) {
  const auto adapters = to_adapters(merge_golden().at("adapters"));
  for (const Json& one : cases_of("linear")) {
    expect_factors(merge_linear(to_parts(adapters, one.at("weights"))), one.at("factors"));
  }
}

// The fault of adding A and B apart: the result is far from the weighted sum of the deltas, which
// PEFT's own "cat" and our blend both give.
TEST(MergeLinear, IsNotTheWeightedSumOfDeltasWhereasBlendIs) {
  const auto adapters = to_adapters(merge_golden().at("adapters"));
  for (const Json& one : cases_of("cat")) {
    const auto parts = to_parts(adapters, one.at("weights"));
    const Adapter linear = merge_linear(parts);
    const Adapter exact = blend(parts).adapter;
    for (std::size_t t = 0; t < exact.tensors.size(); ++t) {
      const auto cat = dense(to_matrix(one.at("deltas").at(exact.tensors[t].name)));
      EXPECT_LT(relative_error(dense_delta(exact.tensors[t]), cat), kTolerance);
      EXPECT_GT(relative_error(dense_delta(linear.tensors[t]), cat), 0.5);
    }
  }
}

// A fault of PEFT 0.20: its delta already holds the scale, and "svd" multiplies by it once more.
TEST(PeftSvd, SquaresTheScalesWhereasBlendDoesNot) {
  const auto adapters = to_adapters(merge_golden().at("adapters"));
  for (const Json& one : cases_of("svd")) {
    const auto parts = to_parts(adapters, one.at("weights"));
    const int rank = one.at("svd_rank").get<int>();
    const Adapter ours = blend(parts, {.mode = BlendMode::LowRank, .rank = rank}).adapter;
    for (std::size_t t = 0; t < ours.tensors.size(); ++t) {
      const auto theirs = dense(to_matrix(one.at("deltas").at(ours.tensors[t].name)));
      const auto right = truncated(weighted_products(parts, t, [](double s) { return s; }), rank);
      const auto squared =
          truncated(weighted_products(parts, t, [](double s) { return s * s; }), rank);
      EXPECT_LT(relative_error(dense_delta(ours.tensors[t]), right), kTolerance);
      EXPECT_LT(relative_error(theirs, squared), kTolerance);
      EXPECT_GT(relative_error(theirs, right), 0.5);
    }
  }
}

TEST(PeftSvd, EqualsLowRankBlendWhereAllScalesAreOne) {
  const auto adapters = to_adapters(merge_golden().at("adapters_of_scale_1"));
  for (const Json& one : cases_of("svd", "cases_of_scale_1")) {
    const auto parts = to_parts(adapters, one.at("weights"));
    const int rank = one.at("svd_rank").get<int>();
    const Adapter ours = blend(parts, {.mode = BlendMode::LowRank, .rank = rank}).adapter;
    for (const LoraTensor& t : ours.tensors) {
      const auto theirs = dense(to_matrix(one.at("deltas").at(t.name)));
      EXPECT_LT(relative_error(dense_delta(t), theirs), kTolerance);
    }
  }
}

// Another fault of PEFT 0.20: an adapter merged from rsLoRA ones (scale alpha / sqrt r) is made
// with alpha = r and stays rsLoRA, so it comes out sqrt(r) times too large.
TEST(PeftLinear, IsSqrtRankTooLargeForRankStabilisedAdapters) {
  const Json& golden = merge_golden().at("rslora");
  const Adapter adapter = to_adapter(golden.at("adapter"));
  const Adapter theirs = to_adapter(golden.at("case").at("factors"));
  const BlendPart parts[] = {{adapter, 1.0f}};

  const Adapter ours = merge_linear(parts);

  for (std::size_t t = 0; t < ours.tensors.size(); ++t) {
    const auto right = dense_delta(adapter.tensors[t]);
    const double root = std::sqrt(static_cast<double>(adapter.tensors[t].rank()));
    EXPECT_LT(relative_error(dense_delta(ours.tensors[t]), right), kTolerance);
    EXPECT_LT(relative_error(dense_delta(theirs.tensors[t]), root * right), kTolerance);
  }
}

TEST(MergeTies, EqualsPeftForBothWaysToElectASign) {
  const auto adapters = to_adapters(merge_golden().at("adapters"));
  for (const Json& one : cases_of("ties")) {
    const bool total = one.at("majority_sign_method") == "total";
    const TiesOptions options{one.at("density").get<double>(),
                              total ? SignElection::Total : SignElection::Frequency};
    expect_factors(merge_ties(to_parts(adapters, one.at("weights")), options), one.at("factors"));
  }
}

// TIES of dense deltas; PEFT's has the same fault of squared scales as its "svd".
TEST(PeftTiesSvd, EqualsTiesOfTheDeltasWithTheScaleSquared) {
  for (const char* suffix : {"", "_of_scale_1"}) {
    const auto adapters = to_adapters(merge_golden().at(std::string("adapters") + suffix));
    for (const Json& one : cases_of("ties_svd", (std::string("cases") + suffix).c_str())) {
      for (const auto& [name, theirs] : one.at("deltas").items()) {
        std::vector<Matrix> deltas;
        internal::Summands summands;
        for (std::size_t i = 0; i < adapters.size(); ++i) {
          for (const LoraTensor& t : adapters[i].tensors) {
            if (t.name != name) continue;
            const Eigen::MatrixXd delta = dense_delta(t);
            Matrix m(t.b.rows, t.a.cols);
            for (std::size_t r = 0; r < m.rows; ++r) {
              for (std::size_t c = 0; c < m.cols; ++c) {
                m.at(r, c) = static_cast<float>(
                    delta(static_cast<Eigen::Index>(r), static_cast<Eigen::Index>(c)));
              }
            }
            deltas.push_back(std::move(m));
            summands.factors.push_back(one.at("weights").at(i).get<double>() * double{t.scale});
          }
        }
        for (const Matrix& m : deltas) summands.matrices.push_back(&m);
        const Matrix merged =
            internal::ties(summands, {.density = one.at("density").get<double>()});
        const auto want = truncated(dense(merged), one.at("svd_rank").get<Eigen::Index>());
        EXPECT_LT(relative_error(dense(to_matrix(theirs)), want), kTolerance) << name << suffix;
      }
    }
  }
}

TEST(MergeTies, KeepsTheLargestEntriesAndTheEarlierOfEqualOnes) {
  Matrix m(1, 5);
  m.data = {1.0f, -3.0f, 2.0f, -2.0f, 0.5f};

  EXPECT_THAT(internal::keep_largest(m, 0.5).data, ElementsAre(0.0f, -3.0f, 2.0f, 0.0f, 0.0f));
  EXPECT_THAT(internal::keep_largest(m, 0.19).data, Each(0.0f));
  EXPECT_THAT(internal::keep_largest(m, 1.0).data, ElementsAre(1.0f, -3.0f, 2.0f, -2.0f, 0.5f));
}

// Rows of three parts' entries: the sign that wins, and the mean of weight times entry of those who
// have it.
TEST(MergeTies, TakesTheMeanOverThoseWithTheElectedSign) {
  Matrix x(1, 4);
  Matrix y(1, 4);
  Matrix z(1, 4);
  x.data = {1.0f, 5.0f, 2.0f, 0.0f};
  y.data = {2.0f, -1.0f, -2.0f, 0.0f};
  z.data = {3.0f, -1.0f, 0.0f, 0.0f};
  const internal::Summands summands{{&x, &y, &z}, {1.0, 2.0, -3.0}};

  const Matrix total = internal::ties(summands, {.density = 1.0});
  const Matrix frequency =
      internal::ties(summands, {.density = 1.0, .sign = SignElection::Frequency});

  EXPECT_THAT(total.data, ElementsAre((1.0f + 4.0f - 9.0f) / 3, 5.0f, 2.0f, 0.0f));
  EXPECT_THAT(frequency.data,
              ElementsAre((1.0f + 4.0f - 9.0f) / 3, (-2.0f + 3.0f) / 2, 2.0f, 0.0f));
}

TEST(MergeDare, EqualsPeftUnderPeftsOwnMasks) {
  const auto adapters = to_adapters(merge_golden().at("adapters"));
  for (const Json& one : cases_of("dare_linear")) {
    std::vector<int> mask;
    for (const auto& [name, drawn] : one.at("masks").items()) {
      for (const Json& x : drawn) mask.push_back(x.get<int>());
    }
    std::size_t asked = 0;
    const auto keep = [&] { return mask.at(asked++) != 0; };
    expect_factors(
        merge_dare(to_parts(adapters, one.at("weights")), one.at("density").get<double>(), keep),
        one.at("factors"));
    EXPECT_EQ(asked, mask.size());
  }
}

TEST(MergeDare, DensityOneIsLinear) {
  const Adapter x = sample_adapter({}, 1);
  const Adapter y = sample_adapter({}, 2);
  const BlendPart parts[] = {{x, 0.5f}, {y, -2.0f}};

  const Adapter got = merge_dare(parts, 1.0, random_keep(1.0, 1));

  EXPECT_EQ(got.tensors[0].a.data, merge_linear(parts).tensors[0].a.data);
  EXPECT_EQ(got.tensors[0].b.data, merge_linear(parts).tensors[0].b.data);
}

TEST(MergeDare, DropsEntriesToZeroAndRescalesTheOthers) {
  const Adapter x = sample_adapter({.d_out = 40, .d_in = 50, .rank = 4}, 1);
  const BlendPart parts[] = {{x, 1.0f}};

  const Adapter got = merge_dare(parts, 0.25, random_keep(0.25, 9));

  std::size_t kept = 0;
  const auto& before = x.tensors[0].a.data;
  const auto& after = got.tensors[0].a.data;
  for (std::size_t k = 0; k < before.size(); ++k) {
    if (after[k] == 0.0f) continue;
    EXPECT_FLOAT_EQ(after[k], 4.0f * before[k]);
    ++kept;
  }
  EXPECT_NEAR(static_cast<double>(kept), 50.0, 5 * std::sqrt(200 * 0.25 * 0.75));  // 5 sigma
}

TEST(MergeDare, IsLinearInExpectationOverSeedsForTheDeltaToo) {
  const Adapter x = sample_adapter({.d_out = 3, .d_in = 4, .rank = 2}, 1);
  const Adapter y = sample_adapter({.d_out = 3, .d_in = 4, .rank = 2}, 2);
  const BlendPart parts[] = {{x, 0.7f}, {y, 0.4f}};
  constexpr int kDraws = 20000;

  Eigen::MatrixXd mean = Eigen::MatrixXd::Zero(3, 4);
  Eigen::MatrixXd mean_square = Eigen::MatrixXd::Zero(3, 4);
  for (int seed = 0; seed < kDraws; ++seed) {
    const auto keep = random_keep(0.5, static_cast<std::uint64_t>(seed));
    const Eigen::MatrixXd delta = dense_delta(merge_dare(parts, 0.5, keep).tensors[0]);
    mean += delta / kDraws;
    mean_square += delta.cwiseProduct(delta) / kDraws;
  }

  // A and B are dropped independently, so the product of the expectations is that of the products.
  const Eigen::MatrixXd want = dense_delta(merge_linear(parts).tensors[0]);
  const Eigen::MatrixXd error =
      ((mean_square - mean.cwiseProduct(mean)) / kDraws).cwiseSqrt();  // of the mean
  EXPECT_LT((mean - want).cwiseQuotient(error).cwiseAbs().maxCoeff(), 5.0);
  EXPECT_GT(error.minCoeff(), 0.0);
}

TEST(MergeDare, TheSameSeedKeepsTheSameEntries) {
  const Adapter x = sample_adapter({.d_out = 20, .d_in = 20}, 1);
  const BlendPart parts[] = {{x, 1.0f}};
  const auto a = [&](std::uint64_t seed) {
    return merge_dare(parts, 0.5, random_keep(0.5, seed)).tensors[0].a.data;
  };

  EXPECT_EQ(a(1), a(1));
  EXPECT_NE(a(1), a(2));
}

TEST(Merge, ATensorThatAPartLacksCountsAsZero) {
  Adapter both = sample_adapter({}, 1);
  both.tensors.push_back(sample_tensor("blk.1.attn_q.weight", {}, 1));
  const Adapter one = sample_adapter({}, 2);
  const BlendPart parts[] = {{both, 1.0f}, {one, 1.0f}};

  const Adapter got = merge_linear(parts);

  ASSERT_EQ(got.tensors.size(), 2u);
  EXPECT_EQ(got.tensors[1].a.data, both.tensors[1].a.data);
}

TEST(Merge, RejectsWhatCannotBeAddedAndSaysWhy) {
  const Adapter x = sample_adapter({.rank = 2}, 1);
  const Adapter wide = sample_adapter({.rank = 3}, 2);
  const Adapter other = sample_adapter({.rank = 2}, 2, "llama");
  const BlendPart ranks[] = {{x, 1.0f}, {wide, 1.0f}};
  const BlendPart bases[] = {{x, 1.0f}, {other, 1.0f}};
  const BlendPart infinite[] = {{x, std::numeric_limits<float>::infinity()}};
  const BlendPart good[] = {{x, 1.0f}};

  EXPECT_THAT([&] { (void)merge_linear(ranks); },
              error_of(ErrorCode::Incompatible, "rank 2 in adapter 0 and rank 3 in adapter 1"));
  EXPECT_THAT([&] { (void)merge_ties(bases); },
              error_of(ErrorCode::Incompatible, "'tiny' and 'llama'"));
  EXPECT_THAT([&] { (void)merge_linear(infinite); },
              error_of(ErrorCode::InvalidArgument, "weight 0 of 1 is inf"));
  EXPECT_THAT([&] { (void)merge_linear({}); },
              error_of(ErrorCode::InvalidArgument, "linear: 0 adapters"));
  for (const double density : {0.0, 1.5, std::numeric_limits<double>::quiet_NaN()}) {
    EXPECT_THAT([&] { (void)merge_ties(good, {.density = density}); },
                error_of(ErrorCode::InvalidArgument, "ties: density"));
    EXPECT_THAT([&] { (void)merge_dare(good, density, random_keep(0.5, 1)); },
                error_of(ErrorCode::InvalidArgument, "dare: density"));
  }
}

}  // namespace
}  // namespace crayon
