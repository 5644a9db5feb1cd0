#include <gmock/gmock.h>

#include <limits>

#include "crayon/gate/gate.h"
#include "crayon/gate/internal/sample.h"

namespace crayon {
namespace {

using internal::dot;
using internal::random_rows;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Property;
using ::testing::Throws;

auto invalid(const std::string& message) {
  return Throws<Error>(AllOf(Property(&Error::code, ErrorCode::InvalidArgument),
                             Property(&Error::what, HasSubstr(message))));
}

/// Rows whose directions have deviations 8, 4, 2, 1, ... and whose mean is 3.
Matrix uneven_rows(std::size_t n, std::size_t d, Rng& rng) {
  Matrix h = random_rows(n, d, rng);
  for (std::size_t r = 0; r < n; ++r) {
    for (std::size_t c = 0; c < d; ++c) {
      h.at(r, c) = 3.0f + h.at(r, c) * 8.0f / static_cast<float>(1u << c);
    }
  }
  return h;
}

TEST(Whitening, GivesUncorrelatedDirectionsOfEqualSpread) {
  Rng rng(1);
  const Matrix h = uneven_rows(400, 6, rng);

  const Whitening w = fit_whitening(h, 3);

  ASSERT_EQ(w.projection.rows, 3u);
  ASSERT_EQ(w.projection.cols, 6u);
  // The oracle: the covariance of L (h - mu) before normalising is lambda / (lambda + eps).
  double covariance[3][3] = {};
  for (std::size_t r = 0; r < h.rows; ++r) {
    std::vector<float> centred(6);
    for (std::size_t c = 0; c < 6; ++c) centred[c] = h.at(r, c) - w.mean[c];
    for (std::size_t i = 0; i < 3; ++i) {
      for (std::size_t j = 0; j < 3; ++j) {
        covariance[i][j] +=
            dot(w.projection.row(i), centred) * dot(w.projection.row(j), centred) / 400;
      }
    }
  }
  for (std::size_t i = 0; i < 3; ++i) {
    for (std::size_t j = 0; j < 3; ++j) {
      EXPECT_NEAR(covariance[i][j], i == j ? 1.0 : 0.0, i == j ? 0.03 : 1e-4);
    }
  }
}

TEST(Whitening, OrdersDirectionsBySpreadAndFixesTheirSigns) {
  Rng rng(2);
  const Whitening w = fit_whitening(uneven_rows(500, 5, rng), 5);
  for (std::size_t i = 0; i < 5; ++i) {
    const auto row = w.projection.row(i);
    const auto largest = std::max_element(
        row.begin(), row.end(), [](float a, float b) { return std::abs(a) < std::abs(b); });
    EXPECT_EQ(largest - row.begin(), static_cast<std::ptrdiff_t>(i));  // axis i is the i-th widest
    EXPECT_GT(*largest, 0);
    // diag(lambda + eps)^-1/2 with lambda = (8 / 2^i)^2
    const double lambda = 64.0 / static_cast<double>(1u << (2 * i));
    EXPECT_NEAR(std::sqrt(dot(row, row)), 1 / std::sqrt(lambda + 0.064), 0.08 / std::sqrt(lambda));
  }
}

TEST(Whitening, IsTheSameForTheSameRowsInAnotherOrder) {
  Rng rng(3);
  const Matrix h = uneven_rows(40, 4, rng);
  Matrix reversed(40, 4);
  for (std::size_t r = 0; r < 40; ++r) {
    std::copy(h.row(r).begin(), h.row(r).end(), reversed.row(39 - r).begin());
  }
  const Whitening a = fit_whitening(h, 4);
  const Whitening b = fit_whitening(reversed, 4);
  EXPECT_THAT(a.projection.data,
              ::testing::Pointwise(::testing::FloatNear(1e-4f), b.projection.data));
  EXPECT_EQ(fit_whitening(h, 4).projection.data, a.projection.data);
}

TEST(Whitening, WorksWithFewerRowsThanDirections) {
  Rng rng(4);
  const Whitening w = fit_whitening(random_rows(2, 8, rng), 8);
  EXPECT_TRUE(internal::all_finite(w.projection.data));
}

TEST(Whiten, GivesNormOneAndRowsAsOneByOne) {
  Rng rng(5);
  const Matrix h = uneven_rows(30, 6, rng);
  const Whitening w = fit_whitening(h, 4);

  const Matrix z = whiten(w, h);

  ASSERT_EQ(z.rows, 30u);
  ASSERT_EQ(z.cols, 4u);
  for (std::size_t r = 0; r < 30; ++r) {
    EXPECT_NEAR(dot(z.row(r), z.row(r)), 1.0, 1e-5);
    const std::vector<float> one = whiten(w, h.row(r));
    EXPECT_TRUE(std::equal(one.begin(), one.end(), z.row(r).begin()));
  }
}

TEST(Whiten, TheMeanItselfGivesZeros) {
  Rng rng(6);
  const Whitening w = fit_whitening(uneven_rows(30, 6, rng), 4);
  EXPECT_THAT(whiten(w, std::span<const float>(w.mean)), ::testing::Each(0.0f));
}

TEST(Whitening, RefusesWhatHasNoSpreadOrNoSense) {
  Rng rng(7);
  const Matrix h = random_rows(4, 3, rng);
  Matrix broken = h;
  broken.data[5] = std::numeric_limits<float>::quiet_NaN();
  Matrix torn = h;
  torn.data.pop_back();
  EXPECT_THAT([&] { (void)fit_whitening(random_rows(1, 3, rng), 1); }, invalid("1 hidden states"));
  EXPECT_THAT([&] { (void)fit_whitening(h, 4); }, invalid("4 directions of 3 numbers"));
  EXPECT_THAT([&] { (void)fit_whitening(h, 0); }, invalid("0 directions"));
  EXPECT_THAT([&] { (void)fit_whitening(Matrix(5, 3), 2); },
              invalid("all 5 hidden states are equal"));
  EXPECT_THAT([&] { (void)fit_whitening(broken, 2); }, invalid("not finite"));
  EXPECT_THAT([&] { (void)fit_whitening(torn, 2); }, invalid("[4, 3] needs 12"));
  const Whitening w = fit_whitening(h, 2);
  EXPECT_THAT([&] { (void)whiten(w, std::vector<float>(2)); }, invalid("2 numbers; expected 3"));
  EXPECT_THAT([&] { (void)whiten(w, broken); }, invalid("not finite"));
}

}  // namespace
}  // namespace crayon
