#include "crayon/adapter/arrow.h"

#include <gmock/gmock.h>

#include <Eigen/SVD>

#include "crayon/adapter/internal/merge_golden.h"
#include "crayon/adapter/internal/sample.h"
#include "crayon/base/error.h"
#include "tests/errors.h"

namespace crayon {
namespace {

using internal::dense_delta;
using internal::Json;
using internal::merge_golden;
using internal::sample_adapter;
using internal::sample_tensor;
using internal::to_matrix;
using test::error_of;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::FloatNear;
using ::testing::Pointwise;
using ::testing::SizeIs;

Eigen::VectorXd vector_of(std::span<const float> x) {
  return Eigen::Map<const Eigen::VectorXf>(x.data(), static_cast<Eigen::Index>(x.size()))
      .cast<double>();
}

/// |cos| of the angle between two vectors of length 1.
double alignment(std::span<const float> x, const Eigen::VectorXd& y) {
  return std::abs(vector_of(x).dot(y));
}

std::vector<float> golden_prototype(std::size_t i) {
  const Json& golden = merge_golden().at("arrow");
  const Adapter adapter{
      "golden",
      {{"blk.0.attn_q.weight", to_matrix(golden.at("a").at(i)), to_matrix(golden.at("b").at(i))}}};
  return arrow_prototypes(adapter).at(0).direction;
}

TEST(ArrowPrototypes, AreTheTopRightSingularVectorsOfTheDense) {
  for (const std::size_t rank : {std::size_t{1}, std::size_t{3}, std::size_t{9}}) {
    Adapter adapter = sample_adapter({.d_out = 5, .d_in = 7, .rank = rank, .scale = 0.25f}, rank);
    adapter.tensors.push_back(sample_tensor("blk.1.attn_q.weight", {.rank = rank}, 4));

    const auto got = arrow_prototypes(adapter);

    ASSERT_THAT(got, SizeIs(2));
    for (std::size_t t = 0; t < 2; ++t) {
      const Eigen::MatrixXd delta = dense_delta(adapter.tensors[t]);
      const Eigen::JacobiSVD<Eigen::MatrixXd> svd(delta, Eigen::ComputeThinV);
      EXPECT_EQ(got[t].name, adapter.tensors[t].name);
      EXPECT_NEAR(alignment(got[t].direction, svd.matrixV().col(0)), 1.0, 1e-6);
      EXPECT_NEAR(vector_of(got[t].direction).norm(), 1.0, 1e-6);
      EXPECT_GT(vector_of(got[t].direction).maxCoeff(), -vector_of(got[t].direction).minCoeff());
    }
  }
}

TEST(ArrowPrototypes, AreZeroWhereTheAdapterChangesNothing) {
  Adapter adapter = sample_adapter({}, 1);
  for (float& x : adapter.tensors[0].b.data) x = 0.0f;

  EXPECT_THAT(arrow_prototypes(adapter).at(0).direction, Each(0.0f));
}

// PEFT 0.20 stops power iteration after 15 rounds from a random start, however far it is: two of
// the four adapters have settled, the others have not. Ours are exact for all four.
TEST(ArrowPrototypes, EqualNumPysSvdAndPeftsWherePeftsHaveSettled) {
  const Json& golden = merge_golden().at("arrow");
  for (std::size_t i = 0; i < 4; ++i) {
    const auto ours = golden_prototype(i);
    const auto exact = golden.at("exact").at(i).get<std::vector<float>>();
    const auto peft = golden.at("peft").at(i).get<std::vector<float>>();
    EXPECT_NEAR(alignment(ours, vector_of(exact)), 1.0, 1e-6) << i;
    const bool settled = i == 0 || i == 2;
    EXPECT_EQ(alignment(ours, vector_of(peft)) > 1 - 1e-6, settled) << i;
  }
  const auto peft = golden.at("peft").at(1).get<std::vector<float>>();
  EXPECT_LT(alignment(golden_prototype(1), vector_of(peft)), 0.9);
}

TEST(ArrowCoefficients, EqualPeftsFromTheSamePrototypes) {
  const Json& golden = merge_golden().at("arrow");
  const Matrix prototypes = to_matrix(golden.at("peft"));
  const Matrix inputs = to_matrix(golden.at("inputs"));
  ASSERT_THAT(golden.at("cases"), SizeIs(4));
  for (const Json& one : golden.at("cases")) {
    const ArrowOptions options{one.at("top_k").get<std::size_t>(),
                               one.at("temperature").get<double>()};
    for (std::size_t t = 0; t < inputs.rows; ++t) {
      const auto want = one.at("coefficients").at(t).get<std::vector<float>>();
      EXPECT_THAT(arrow_coefficients(prototypes, inputs.row(t), options),
                  Pointwise(FloatNear(1e-6f), want));
    }
  }
}

TEST(ArrowCoefficients, HavePeftsDefaults) {
  const Json& defaults = merge_golden().at("arrow").at("default");

  EXPECT_EQ(ArrowOptions{}.top_k, defaults.at("top_k").get<std::size_t>());
  EXPECT_EQ(ArrowOptions{}.temperature, defaults.at("temperature").get<double>());
}

TEST(ArrowCoefficients, DoNotSeeTheSignAndPreferTheFirstOfEqualOnes) {
  Matrix prototypes(3, 2);
  prototypes.data = {1.0f, 0.0f, -1.0f, 0.0f, 0.0f, 1.0f};
  const float x[] = {2.0f, 0.0f};

  EXPECT_THAT(arrow_coefficients(prototypes, x, {.top_k = 1}), ElementsAre(1.0f, 0.0f, 0.0f));
  EXPECT_THAT(arrow_coefficients(prototypes, x, {.top_k = 2}), ElementsAre(0.5f, 0.5f, 0.0f));
  EXPECT_THAT(arrow_coefficients(prototypes, x, {.top_k = 9, .temperature = 1e-3}),
              ElementsAre(0.5f, 0.5f, 0.0f));
}

TEST(ArrowCoefficients, RejectWhatDoesNotFit) {
  const Matrix prototypes(2, 3);
  const float x[] = {1.0f, 2.0f, 3.0f};

  EXPECT_THAT([&] { (void)arrow_coefficients(prototypes, std::span(x).first(2)); },
              error_of(ErrorCode::InvalidArgument, "prototypes [2, 3] for an input of 2"));
  EXPECT_THAT([&] { (void)arrow_coefficients(Matrix(0, 3), x); },
              error_of(ErrorCode::InvalidArgument, "prototypes [0, 3]"));
  EXPECT_THAT([&] { (void)arrow_coefficients(prototypes, x, {.top_k = 0}); },
              error_of(ErrorCode::InvalidArgument, "top_k 0"));
  EXPECT_THAT([&] { (void)arrow_coefficients(prototypes, x, {.temperature = 0}); },
              error_of(ErrorCode::InvalidArgument, "temperature 0"));
}

}  // namespace
}  // namespace crayon
