#include "crayon/adapter/blend.h"

#include <gmock/gmock.h>

#include <Eigen/SVD>
#include <limits>

#include "crayon/adapter/internal/sample.h"
#include "crayon/base/error.h"
#include "tests/errors.h"

namespace crayon {
namespace {

using internal::sample_adapter;
using internal::sample_tensor;
using test::error_of;
using ::testing::Each;

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

// The oracle forms the dense deltas, which the library itself never does.
Eigen::MatrixXd dense(const LoraTensor& t) {
  Eigen::MatrixXd delta = Eigen::MatrixXd::Zero(static_cast<Eigen::Index>(t.b.rows),
                                                static_cast<Eigen::Index>(t.a.cols));
  for (std::size_t o = 0; o < t.b.rows; ++o) {
    for (std::size_t i = 0; i < t.a.cols; ++i) {
      double sum = 0;
      for (std::size_t k = 0; k < t.rank(); ++k) sum += double{t.b.at(o, k)} * double{t.a.at(k, i)};
      delta(static_cast<Eigen::Index>(o), static_cast<Eigen::Index>(i)) = double{t.scale} * sum;
    }
  }
  return delta;
}
Eigen::MatrixXd dense(const Adapter& adapter) { return dense(adapter.tensors.at(0)); }

/// ||target - its best approximation of rank r||, by an SVD of the dense matrix.
double best_error(const Eigen::MatrixXd& target, Eigen::Index r) {
  const Eigen::VectorXd sigma = Eigen::JacobiSVD<Eigen::MatrixXd>(target).singularValues();
  return r >= sigma.size() ? 0.0 : sigma.tail(sigma.size() - r).norm();
}

TEST(Blend, ExactModeEqualsWeightedSumOfDeltas) {
  const Adapter x = sample_adapter({.rank = 2, .scale = 2.0f}, 1);
  const Adapter y = sample_adapter({.rank = 3, .scale = 0.5f}, 2);
  const BlendPart parts[] = {{x, 0.25f}, {y, -1.5f}};

  const Blend got = blend(parts);

  const Eigen::MatrixXd want = 0.25 * dense(x) - 1.5 * dense(y);
  EXPECT_LT((dense(got.adapter) - want).norm(), 1e-5 * want.norm());
  EXPECT_EQ(got.adapter.base_id, "tiny");
  EXPECT_EQ(got.adapter.tensors[0].rank(), 5u);
  EXPECT_EQ(got.adapter.tensors[0].scale, 1.0f);
  EXPECT_EQ(got.relative_error, 0.0);
}

TEST(Blend, LeavesOutPartsOfWeightZero) {
  const Adapter x = sample_adapter({.rank = 2}, 1);
  const Adapter y = sample_adapter({.rank = 3}, 2);
  const BlendPart parts[] = {{x, 1.0f}, {y, 0.0f}};

  const Blend got = blend(parts);

  EXPECT_EQ(got.adapter.tensors[0].rank(), 2u);
  EXPECT_LT((dense(got.adapter) - dense(x)).norm(), 1e-6);
}

TEST(Blend, AllWeightsZeroGiveAValidAdapterOfZeros) {
  const Adapter x = sample_adapter({.rank = 2}, 1);
  const BlendPart parts[] = {{x, 0.0f}};

  for (const BlendMode mode : {BlendMode::Exact, BlendMode::LowRank}) {
    const Blend got = blend(parts, {.mode = mode, .rank = 4});

    EXPECT_NO_THROW(check_adapter(got.adapter));
    EXPECT_EQ(got.adapter.tensors[0].rank(), 1u);
    EXPECT_THAT(got.adapter.tensors[0].b.data, Each(0.0f));
    EXPECT_EQ(got.relative_error, 0.0);
  }
}

TEST(Blend, ATensorThatAPartLacksCountsAsZero) {
  const Adapter x{"tiny", {sample_tensor("a", {}, 1), sample_tensor("c", {.d_out = 3}, 1)}};
  const Adapter y{"tiny",
                  {sample_tensor("b", {.d_in = 2}, 2), sample_tensor("c", {.d_out = 3}, 2)}};
  const BlendPart parts[] = {{x, 2.0f}, {y, 3.0f}};

  for (const BlendMode mode : {BlendMode::Exact, BlendMode::LowRank}) {
    const Adapter got = blend(parts, {.mode = mode, .rank = 4}).adapter;

    ASSERT_EQ(got.tensors.size(), 3u);
    EXPECT_NO_THROW(check_adapter(got));
    EXPECT_LT((dense(got.tensors[0]) - 2 * dense(x.tensors[0])).norm(), 1e-4);
    EXPECT_LT((dense(got.tensors[1]) - 3 * dense(y.tensors[0])).norm(), 1e-4);
    EXPECT_LT((dense(got.tensors[2]) - 2 * dense(x.tensors[1]) - 3 * dense(y.tensors[1])).norm(),
              1e-4);
  }
}

TEST(Blend, LowRankIsTheBestApproximationAtEveryRank) {
  const Adapter x = sample_adapter({.d_out = 9, .d_in = 12, .rank = 3, .scale = 2.0f}, 1);
  const Adapter y = sample_adapter({.d_out = 9, .d_in = 12, .rank = 4}, 2);
  const BlendPart parts[] = {{x, 0.4f}, {y, -0.7f}};
  const Eigen::MatrixXd target = 0.4 * dense(x) - 0.7 * dense(y);

  for (int rank = 1; rank <= 7; ++rank) {
    const Blend got = blend(parts, {.mode = BlendMode::LowRank, .rank = rank});

    EXPECT_EQ(got.adapter.tensors[0].rank(), static_cast<std::size_t>(rank));
    const double error = (dense(got.adapter) - target).norm();
    EXPECT_NEAR(error, best_error(target, rank), 1e-5 * target.norm()) << "rank " << rank;
    EXPECT_NEAR(got.relative_error, error / target.norm(), 1e-5) << "rank " << rank;
    EXPECT_EQ(got.errors[0].relative_error, got.relative_error);
  }
}

TEST(Blend, LowRankSpreadsTheSingularValuesOnBothSides) {
  const Adapter x = sample_adapter({.rank = 2}, 3);
  const BlendPart parts[] = {{x, 100.0f}};

  const Adapter got = blend(parts, {.mode = BlendMode::LowRank, .rank = 2}).adapter;

  const LoraTensor& t = got.tensors[0];
  for (std::size_t k = 0; k < 2; ++k) {
    double a = 0;
    double b = 0;
    for (const float v : t.a.row(k)) a += double{v} * double{v};
    for (std::size_t o = 0; o < t.b.rows; ++o) b += double{t.b.at(o, k)} * double{t.b.at(o, k)};
    EXPECT_NEAR(a / b, 1.0, 1e-4);
  }
}

TEST(Blend, ARankAboveThatOfThePartsGivesTheExactBlendWithoutPadding) {
  const Adapter x = sample_adapter({.rank = 2}, 1);
  const Adapter y = sample_adapter({.rank = 1}, 2);
  const BlendPart parts[] = {{x, 0.5f}, {y, 0.5f}};

  const Blend got = blend(parts, {.mode = BlendMode::LowRank, .rank = 100});

  EXPECT_EQ(got.adapter.tensors[0].rank(), 3u);
  EXPECT_LT(got.relative_error, 1e-7);
  EXPECT_LT((dense(got.adapter) - 0.5 * dense(x) - 0.5 * dense(y)).norm(), 1e-5);
}

TEST(Blend, LowRankWorksWhereTheRanksTogetherExceedTheMatrix) {
  const Adapter x = sample_adapter({.d_out = 3, .d_in = 4, .rank = 4}, 1);
  const Adapter y = sample_adapter({.d_out = 3, .d_in = 4, .rank = 5}, 2);
  const BlendPart parts[] = {{x, 1.0f}, {y, 1.0f}};

  const Blend whole = blend(parts, {.mode = BlendMode::LowRank, .rank = 9});
  const Blend cut = blend(parts, {.mode = BlendMode::LowRank, .rank = 2});

  const Eigen::MatrixXd target = dense(x) + dense(y);
  EXPECT_EQ(whole.adapter.tensors[0].rank(), 3u);
  EXPECT_LT((dense(whole.adapter) - target).norm(), 1e-5 * target.norm());
  EXPECT_NEAR((dense(cut.adapter) - target).norm(), best_error(target, 2), 1e-5 * target.norm());
}

TEST(Blend, ReportsTheErrorOverAllTensorsTogether) {
  Adapter x{"tiny",
            {sample_tensor("a", {.rank = 3}, 1), sample_tensor("b", {.rank = 3, .scale = 10}, 1)}};
  const BlendPart parts[] = {{x, 1.0f}};

  const Blend got = blend(parts, {.mode = BlendMode::LowRank, .rank = 1});

  double error = 0;
  double norm = 0;
  for (std::size_t i = 0; i < 2; ++i) {
    const Eigen::MatrixXd target = dense(x.tensors[i]);
    const double own = (dense(got.adapter.tensors[i]) - target).squaredNorm();
    EXPECT_EQ(got.errors[i].name, x.tensors[i].name);
    EXPECT_NEAR(got.errors[i].relative_error, std::sqrt(own / target.squaredNorm()), 1e-5);
    error += own;
    norm += target.squaredNorm();
  }
  EXPECT_NEAR(got.relative_error, std::sqrt(error / norm), 1e-5);
  EXPECT_NE(got.errors[0].relative_error, got.relative_error);
}

TEST(Blend, OppositeWeightsOfOneAdapterCancelOut) {
  const Adapter x = sample_adapter({}, 1);
  const BlendPart parts[] = {{x, 1.0f}, {x, -1.0f}};

  const Blend got = blend(parts, {.mode = BlendMode::LowRank, .rank = 2});

  EXPECT_LT(dense(got.adapter).norm(), 1e-5);
  EXPECT_NO_THROW(check_adapter(got.adapter));
}

TEST(Blend, AdaptersWithoutTensorsGiveOneWithoutTensors) {
  const Adapter x{"tiny", {}};
  const BlendPart parts[] = {{x, 1.0f}};

  EXPECT_TRUE(blend(parts).adapter.tensors.empty());
  EXPECT_EQ(blend(parts, {.mode = BlendMode::LowRank}).relative_error, 0.0);
}

TEST(Blend, RejectsPartsOfDifferentBasesAndNamesBoth) {
  const Adapter x = sample_adapter({}, 1, "qwen");
  const Adapter y = sample_adapter({}, 1, "llama");
  const BlendPart parts[] = {{x, 1.0f}, {y, 1.0f}};

  EXPECT_THAT([&] { (void)blend(parts); }, error_of(ErrorCode::Incompatible, "'qwen' and 'llama'"));
}

TEST(Blend, RejectsTensorsOfDifferentShapesAndNamesBoth) {
  const Adapter x = sample_adapter({.d_out = 5}, 1);
  const Adapter y = sample_adapter({.d_out = 6}, 1);
  const BlendPart parts[] = {{x, 1.0f}, {y, 1.0f}};

  EXPECT_THAT([&] { (void)blend(parts); },
              error_of(ErrorCode::Incompatible, "a [5, 7] weight in adapter 0 and a [6, 7]"));
}

TEST(Blend, RejectsRequestsThatMakeNoSense) {
  const Adapter x = sample_adapter({}, 1);
  Adapter broken = x;
  broken.tensors[0].b.data[0] = kNaN;
  const auto one = [](const Adapter& adapter, float weight, const BlendOptions& options = {}) {
    const BlendPart parts[] = {{adapter, weight}};
    (void)blend(parts, options);
  };

  EXPECT_THAT([] { (void)blend({}); }, error_of(ErrorCode::InvalidArgument, "0 adapters"));
  EXPECT_THAT([&] { one(x, kNaN); }, error_of(ErrorCode::InvalidArgument, "weight 0 of 1 is nan"));
  EXPECT_THAT([&] { one(x, kInf); }, error_of(ErrorCode::InvalidArgument, "is inf"));
  EXPECT_THAT([&] { one(x, 1, {.mode = BlendMode::LowRank, .rank = 0}); },
              error_of(ErrorCode::InvalidArgument, "rank 0; expected at least 1"));
  EXPECT_THAT([&] { one(broken, 1); }, error_of(ErrorCode::InvalidArgument, "not finite"));
  EXPECT_THAT([&] { one(x, 3e38f); }, error_of(ErrorCode::InvalidArgument, "too large"));
}

TEST(BlendMode, NamesGoBothWaysAndOthersAreRefused) {
  for (const std::string name : {"exact", "lowrank"}) {
    EXPECT_EQ(to_string(parse_blend_mode(name)), name);
  }
  EXPECT_THAT([] { (void)parse_blend_mode("ties"); },
              error_of(ErrorCode::InvalidArgument, "'ties'; expected 'exact' or 'lowrank'"));
}

TEST(Blender, GivesBitForBitWhatBlendGivesForAllWeights) {
  const Adapter x = sample_adapter({.rank = 2, .scale = 0.5f}, 1);
  const Adapter y = sample_adapter({.rank = 3}, 2);
  Blender blender({x, y});
  Blender moved = std::move(blender);

  for (const auto& w : std::vector<std::vector<float>>{{0.5f, 0.5f}, {1.0f, 0.0f}, {-2.0f, 3.0f}}) {
    const BlendPart parts[] = {{x, w[0]}, {y, w[1]}};
    for (const BlendMode mode : {BlendMode::Exact, BlendMode::LowRank}) {
      const BlendOptions options{.mode = mode, .rank = 2};
      const Blend want = blend(parts, options);
      const Blend got = moved.blend(w, options);
      EXPECT_EQ(got.adapter.tensors[0].a.data, want.adapter.tensors[0].a.data);
      EXPECT_EQ(got.adapter.tensors[0].b.data, want.adapter.tensors[0].b.data);
      EXPECT_EQ(got.relative_error, want.relative_error);
    }
  }
}

TEST(Blender, RejectsNoAdaptersAndAnotherNumberOfWeights) {
  EXPECT_THAT([] { Blender({}); }, error_of(ErrorCode::InvalidArgument, "0 adapters"));
  Blender blender({sample_adapter({}, 1)});
  const std::vector<float> two{1.0f, 1.0f};
  EXPECT_THAT([&] { (void)blender.blend(two); },
              error_of(ErrorCode::InvalidArgument, "2 weights for 1 adapters"));
}

}  // namespace
}  // namespace crayon
