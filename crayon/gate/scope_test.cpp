#include "crayon/gate/scope.h"

#include <gmock/gmock.h>

#include "crayon/gate/internal/sample.h"

namespace crayon {
namespace {

using internal::cluster;
using internal::random_unit_rows;

/// Rows at the given angles (degrees) in the plane: cosines are known.
Matrix at_angles(const std::vector<double>& degrees) {
  Matrix m(degrees.size(), 2);
  for (std::size_t i = 0; i < degrees.size(); ++i) {
    m.at(i, 0) = static_cast<float>(std::cos(degrees[i] * 3.14159265358979 / 180));
    m.at(i, 1) = static_cast<float>(std::sin(degrees[i] * 3.14159265358979 / 180));
  }
  return m;
}
double cosine(double degrees) { return std::cos(degrees * 3.14159265358979 / 180); }

TEST(Scope, SimilarityIsTheMeanCosineToTheNearestExamples) {
  const Scope scope(at_angles({0, 10, 30, 90}), {}, 2);
  const Matrix z = at_angles({12});
  EXPECT_NEAR(scope.similarity(z.row(0)), (cosine(2) + cosine(12)) / 2, 1e-6);
}

TEST(Scope, PValueCountsTheExamplesThatAreAtMostAsSimilar) {
  // With one neighbour the examples' own distances are 10, 10, 20 and 60 degrees.
  const Scope scope(at_angles({0, 10, 30, 90}), {}, 1);
  const Matrix z = at_angles({-5, -15, -40, -100});
  EXPECT_NEAR(scope.p_value(z.row(0)), 5.0 / 5, 1e-9);  // 5 degrees: nearer than all
  EXPECT_NEAR(scope.p_value(z.row(1)), 3.0 / 5, 1e-9);  // 15 degrees
  EXPECT_NEAR(scope.p_value(z.row(2)), 2.0 / 5, 1e-9);  // 40 degrees
  EXPECT_NEAR(scope.p_value(z.row(3)), 1.0 / 5, 1e-9);  // 90 degrees: the least
  EXPECT_NEAR(scope.least_p_value(), 1.0 / 5, 1e-9);
}

TEST(Scope, LocalRankComparesWithTheExamplesAroundAlone) {
  // With one neighbour the examples' own distances are 10, 10, 20 and 60 degrees.
  const Scope scope(at_angles({0, 10, 30, 90}), {}, 1);
  const Matrix z = at_angles({5, -15, 62, -100});
  EXPECT_EQ(scope.local_rank(z.row(0), 2), 1);    // 5 degrees from two that lie 10 apart
  EXPECT_EQ(scope.local_rank(z.row(1), 2), 0);    // 15 from the same two
  EXPECT_EQ(scope.local_rank(z.row(2), 2), 0.5);  // 28 from one at 60 and one at 20
  EXPECT_EQ(scope.local_rank(z.row(2), 9), 0.25);
  EXPECT_EQ(scope.local_rank(z.row(3), 4), 0);
  EXPECT_THROW((void)scope.local_rank(z.row(0), 0), Error);
}

TEST(Scope, NeighboursAreCutToTheOtherExamples) {
  const Scope scope(at_angles({0, 60}), {}, 3);
  EXPECT_NEAR(scope.similarity(at_angles({0}).row(0)), 1.0, 1e-6);
}

TEST(Scope, RequestsOfTheTaskGetPValuesAboutOneHalfOnAverageAndFarOnesTheLeast) {
  Rng rng(1);
  const Matrix centre = random_unit_rows(1, 16, rng);
  const Matrix all = cluster(400, centre.row(0), 0.4, rng);
  Matrix examples(64, 16);
  std::copy_n(all.data.begin(), examples.data.size(), examples.data.begin());
  const Scope scope(examples);

  double sum = 0;
  for (std::size_t i = 64; i < 400; ++i) sum += scope.p_value(all.row(i));

  EXPECT_NEAR(sum / 336, 0.5, 0.1);
  std::vector<float> far(centre.data);
  for (float& x : far) x = -x;
  EXPECT_EQ(scope.p_value(far), scope.least_p_value());
}

TEST(Scope, EachRowAmongTheOthersIsJudgedWithoutItself) {
  const Matrix z = at_angles({0, 10, 30, 60, 100, 170});
  const auto p_values = p_values_among_others(z);
  ASSERT_EQ(p_values.size(), 6u);
  EXPECT_EQ(p_values[0], Scope(at_angles({10, 30, 60, 100, 170})).p_value(z.row(0)));
  EXPECT_EQ(p_values[5], Scope(at_angles({0, 10, 30, 60, 100})).p_value(z.row(5)));
  ScopeModel model{.sizes = {3}, .quantiles = Matrix(1, 2)};
  model.quantiles.data = {0, 2};
  EXPECT_EQ(p_values_among_others(z, model)[0],
            Scope(at_angles({10, 30, 60, 100, 170}), model).p_value(z.row(0)));
  EXPECT_NE(p_values_among_others(z, model)[0], p_values[0]);
  EXPECT_TRUE(p_values_among_others(at_angles({0, 10})).empty());
}

TEST(Scope, RefusesTooFewExamplesAndWrongSizes) {
  EXPECT_THROW(Scope(at_angles({0})), Error);
  EXPECT_THROW(Scope(at_angles({0, 1}), {}, 0), Error);
  const Scope scope(at_angles({0, 1}));
  EXPECT_THROW((void)scope.p_value(std::vector<float>(3)), Error);
}

TEST(ScopeExamplesNeeded, IsTheFewestThatCanFallBelowTheLevel) {
  EXPECT_EQ(scope_examples_needed(0.05), 20u);
  EXPECT_EQ(scope_examples_needed(0.5), 2u);
  EXPECT_EQ(scope_examples_needed(1), 1u);
  EXPECT_EQ(scope_examples_needed(0), 0u);
  for (const double level : {0.3, 0.07, 0.01, 1.0 / 3, 1.0 / 49}) {
    const auto n = static_cast<double>(scope_examples_needed(level));
    EXPECT_LT(1 / (n + 1), level);
    EXPECT_GE(1 / n, level);
  }
  EXPECT_THROW((void)scope_examples_needed(-1), Error);
}

}  // namespace
}  // namespace crayon
