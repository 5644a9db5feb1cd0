#include "crayon/gate/scope_model.h"

#include <gmock/gmock.h>

#include "crayon/gate/internal/sample.h"
#include "crayon/gate/scope.h"

namespace crayon {
namespace {

using internal::cluster;
using internal::random_unit_rows;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// u at the levels 0, 1/4 and 1, for tasks of 4 and of 16 examples.
ScopeModel small_model() {
  ScopeModel model{.sizes = {4, 16}, .quantiles = Matrix(2, 3)};
  model.quantiles.data = {0.2f, 0.6f, 1.0f, 0.4f, 0.8f, 1.2f};
  return model;
}

/// Kinds of tasks that lie close together and ones that spread, each about its own centre.
std::vector<Matrix> kinds(std::size_t n, std::size_t rows, Rng& rng) {
  std::vector<Matrix> sets;
  const Matrix centres = random_unit_rows(n, 24, rng);
  for (std::size_t i = 0; i < n; ++i) {
    sets.push_back(cluster(rows, centres.row(i), 0.1 + 0.04 * static_cast<double>(i % 4), rng));
  }
  return sets;
}

TEST(ScopeModel, SharesAreLinearBetweenQuantilesAndSizesInLogN) {
  const ScopeModel model = small_model();
  EXPECT_EQ(share_at_most(model, 0.1, 4), 0);
  EXPECT_NEAR(share_at_most(model, 0.6, 4), 0.25, 1e-6);
  EXPECT_NEAR(share_at_most(model, 0.4, 4), 0.25 * 0.25, 1e-6);  // levels are squares: (1/4)^2
  EXPECT_EQ(share_at_most(model, 1.0, 4), 1);
  EXPECT_NEAR(share_at_most(model, 0.8, 16), 0.25, 1e-6);
  EXPECT_NEAR(share_at_most(model, 0.8, 999), 0.25, 1e-6) << "beyond the largest size: as there";
  const double at_4 = 0.75 * 0.75;
  EXPECT_NEAR(share_at_most(model, 0.8, 8), (at_4 + 0.25) / 2, 1e-6) << "8 is half-way";
  EXPECT_FALSE(model.knows(3));
  EXPECT_THROW((void)share_at_most(model, 0.8, 3), Error);
}

TEST(ScopeModel, JoinsTheExamplesPValueAsTwentyFurtherOnes) {
  Rng rng(1);
  const Matrix set = kinds(1, 40, rng).front();
  const Matrix examples = set.part(0, 8);
  const Scope alone(examples);
  const Scope joined(examples, small_model());
  for (std::size_t i = 8; i < 40; ++i) {
    const double share = share_at_most(small_model(), alone.relative_similarity(set.row(i)), 8);
    EXPECT_NEAR(joined.p_value(set.row(i)), (8 * alone.p_value(set.row(i)) + 20 * share) / 28,
                1e-9);
  }
  EXPECT_NEAR(joined.least_p_value(), 8.0 / 9 / 28, 1e-9);
  const Scope three(set.part(0, 3), small_model());
  EXPECT_EQ(three.least_p_value(), 0.25) << "the model says nothing of 3 examples";
}

TEST(ScopeModel, FewExamplesRuleOutWhatTheyAloneCannot) {
  EXPECT_EQ(scope_examples_needed(0.05), 20u);
  EXPECT_EQ(scope_examples_needed(0.05, small_model()), 4u);
  EXPECT_EQ(scope_examples_needed(0.5, small_model()), 2u) << "fewer than the model knows of";
  for (const double level : {0.03, 0.01, 0.001}) {
    const std::size_t needed = scope_examples_needed(level, small_model());
    Rng rng(2);
    const Matrix set = kinds(1, needed, rng).front();
    EXPECT_LT(Scope(set, small_model()).least_p_value(), level);
    EXPECT_GE(Scope(set.part(0, needed - 1), small_model()).least_p_value(), level);
  }
}

TEST(ScopeModel, FittedToSomeKindsItTellsOthersApartFromEightExamples) {
  Rng rng(3);
  const ScopeModel model = fit_scope_model(kinds(12, 80, rng), 1);
  EXPECT_THAT(model.sizes, ElementsAre(4, 8, 16, 32, 64));
  const std::vector<Matrix> fresh = kinds(12, 80, rng);
  double own = 0, other = 0;
  for (std::size_t i = 0; i < fresh.size(); ++i) {
    const Scope scope(fresh[i].part(0, 8), model);
    for (std::size_t k = 8; k < 80; ++k) {
      own += scope.p_value(fresh[i].row(k)) < 0.05 ? 1 : 0;
      other += scope.p_value(fresh[(i + 1) % fresh.size()].row(k)) < 0.05 ? 1 : 0;
    }
  }
  const double n = 72.0 * static_cast<double>(fresh.size());
  EXPECT_LT(own / n, 0.05);
  EXPECT_GT(other / n, 0.9) << "the examples alone rule nothing out";
}

TEST(ScopeModel, FittingIsTheSameForASeedAndNeedsEnoughRows) {
  Rng rng(4);
  const auto sets = kinds(3, 24, rng);
  const ScopeModel model = fit_scope_model(sets, 1);
  EXPECT_THAT(model.sizes, ElementsAre(4, 8, 16));
  EXPECT_EQ(model.quantiles.data, fit_scope_model(sets, 1).quantiles.data);
  EXPECT_NE(model.quantiles.data, fit_scope_model(sets, 2).quantiles.data);
  EXPECT_NO_THROW(check_scope_model(model, "m"));
  EXPECT_TRUE(fit_scope_model(kinds(3, 11, rng), 1).empty());
  EXPECT_TRUE(fit_scope_model({}, 1).empty());
}

TEST(ScopeModel, ChecksSayWhatIsWrong) {
  const auto fault = [](auto change) -> std::string {
    ScopeModel model = small_model();
    change(model);
    try {
      check_scope_model(model, "task");
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_EQ(fault([](ScopeModel&) {}), "");
  EXPECT_THAT(fault([](ScopeModel& m) { m.sizes = {16, 4}; }), HasSubstr("ascending"));
  EXPECT_THAT(fault([](ScopeModel& m) { m.sizes = {2, 4}; }), HasSubstr("at least 3"));
  EXPECT_THAT(fault([](ScopeModel& m) { m.sizes = {4}; }), HasSubstr("2 rows"));
  EXPECT_THAT(fault([](ScopeModel& m) { m.quantiles.data[1] = 9; }), HasSubstr("size 4"));
  EXPECT_THAT(fault([](ScopeModel& m) { m.quantiles.data[1] = NAN; }), HasSubstr("finite"));
}

}  // namespace
}  // namespace crayon
