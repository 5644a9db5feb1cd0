#include <gmock/gmock.h>

#include "crayon/gate/gate.h"
#include "crayon/gate/internal/sample.h"

namespace crayon {
namespace {

using internal::cluster;
using internal::dot;
using internal::random_unit_rows;

/// Mean cosine of each row to its nearest key.
double objective(const Matrix& z, const Matrix& keys) {
  double sum = 0;
  for (std::size_t i = 0; i < z.rows; ++i) {
    double best = -2;
    for (std::size_t k = 0; k < keys.rows; ++k) best = std::max(best, dot(z.row(i), keys.row(k)));
    sum += best;
  }
  return sum / static_cast<double>(z.rows);
}

void append(Matrix& to, const Matrix& from) {
  to.cols = from.cols;
  to.rows += from.rows;
  to.data.insert(to.data.end(), from.data.begin(), from.data.end());
}

TEST(SphericalKmeans, FindsTheCentresOfClustersThatLieApart) {
  Rng rng(1);
  const Matrix centres = random_unit_rows(4, 32, rng);
  Matrix z;
  for (std::size_t k = 0; k < 4; ++k) append(z, cluster(50, centres.row(k), 0.05, rng));

  const Matrix keys = spherical_kmeans(z, 4, 7);

  for (std::size_t k = 0; k < 4; ++k) {
    EXPECT_NEAR(dot(keys.row(k), keys.row(k)), 1.0, 1e-5);
    double best = -1;
    for (std::size_t i = 0; i < 4; ++i) best = std::max(best, dot(centres.row(k), keys.row(i)));
    EXPECT_GT(best, 0.99) << "centre " << k;
  }
}

TEST(SphericalKmeans, EndsWhereEachKeyIsTheMeanOfItsRows) {
  Rng rng(2);
  const Matrix z = random_unit_rows(200, 8, rng);
  const Matrix keys = spherical_kmeans(z, 5, 3);
  Matrix sums(5, 8);
  for (std::size_t i = 0; i < z.rows; ++i) {
    std::size_t best = 0;
    for (std::size_t k = 1; k < 5; ++k) {
      if (dot(z.row(i), keys.row(k)) > dot(z.row(i), keys.row(best))) best = k;
    }
    for (std::size_t c = 0; c < 8; ++c) sums.at(best, c) += z.at(i, c);
  }
  for (std::size_t k = 0; k < 5; ++k) {
    internal::normalize(sums.row(k));
    EXPECT_NEAR(dot(sums.row(k), keys.row(k)), 1.0, 1e-5);
  }
}

TEST(SphericalKmeans, ServesTheRowsBetterThanRandomRowsAsKeys) {
  Rng rng(3);
  const Matrix z = random_unit_rows(300, 6, rng);
  Matrix first(6, 6);
  std::copy_n(z.data.begin(), first.data.size(), first.data.begin());
  EXPECT_GT(objective(z, spherical_kmeans(z, 6, 1)), objective(z, first) + 0.02);
}

TEST(SphericalKmeans, GivesTheSameKeysForTheSameSeed) {
  Rng rng(4);
  const Matrix z = random_unit_rows(60, 8, rng);
  EXPECT_EQ(spherical_kmeans(z, 4, 9).data, spherical_kmeans(z, 4, 9).data);
}

TEST(SphericalKmeans, MakesKeysOfNormOneOutOfEqualAndOppositeRows) {
  Matrix z(6, 2);
  for (std::size_t i = 0; i < 6; ++i) z.at(i, 0) = i % 2 == 0 ? 1.0f : -1.0f;
  for (const std::size_t n : {1u, 2u, 3u, 6u}) {
    const Matrix keys = spherical_kmeans(z, n, 1);
    for (std::size_t k = 0; k < n; ++k) {
      EXPECT_NEAR(dot(keys.row(k), keys.row(k)), 1.0, 1e-6) << n << " keys";
    }
  }
}

TEST(SphericalKmeans, RefusesFewerRowsThanKeysAndNoKeys) {
  EXPECT_THROW((void)spherical_kmeans(Matrix(3, 2), 4, 1), Error);
  EXPECT_THROW((void)spherical_kmeans(Matrix(3, 2), 0, 1), Error);
}

}  // namespace
}  // namespace crayon
