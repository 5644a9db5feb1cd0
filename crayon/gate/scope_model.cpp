#include "crayon/gate/scope_model.h"

#include <functional>
#include <numeric>

#include "crayon/base/random.h"
#include "crayon/gate/internal/vectors.h"
#include "crayon/gate/scope.h"

namespace crayon {
namespace {

constexpr std::size_t kSizes[] = {4, 8, 16, 32, 64};
constexpr std::size_t kLeastRequests = 8;
constexpr int kDraws = 20;
constexpr std::size_t kOfEachSet = 400;  ///< Quantiles of a set's u that join the others'.
constexpr std::size_t kLevels = 33;

/// At level 0..1 of ascending values, linear between them.
double quantile(std::span<const double> ascending, double level) {
  const double at = level * static_cast<double>(ascending.size() - 1);
  const auto i = std::min(static_cast<std::size_t>(at), ascending.size() - 1);
  const std::size_t next = std::min(i + 1, ascending.size() - 1);
  return std::lerp(ascending[i], ascending[next], at - static_cast<double>(i));
}

Matrix rows_at(const Matrix& all, std::span<const std::size_t> rows) {
  Matrix part(rows.size(), all.cols);
  for (std::size_t i = 0; i < rows.size(); ++i)
    std::ranges::copy(all.row(rows[i]), part.row(i).begin());
  return part;
}

/// u of a set's rows under draws of n of them, ascending.
std::vector<double> own_requests(const Matrix& set, std::size_t n, Rng& rng) {
  std::vector<double> found;
  std::vector<std::size_t> rows(set.rows);
  std::iota(rows.begin(), rows.end(), std::size_t{0});
  for (int draw = 0; draw < kDraws; ++draw) {
    rng.shuffle(rows);
    const Scope scope(rows_at(set, std::span(rows).first(n)));
    for (const std::size_t row : std::span(rows).subspan(n)) {
      found.push_back(scope.relative_similarity(set.row(row)));
    }
  }
  std::ranges::sort(found);
  return found;
}

double share_in_row(std::span<const float> quantiles, double u) {
  if (u < quantiles.front()) return 0;
  const auto above = std::ranges::upper_bound(quantiles, u, std::less<>(),
                                              [](float q) { return static_cast<double>(q); });
  if (above == quantiles.end()) return 1;
  const auto i = static_cast<double>(above - quantiles.begin());  // at least 1
  const double low = above[-1];
  const double root =
      (i - 1 + (u - low) / (*above - low)) / static_cast<double>(quantiles.size() - 1);
  return root * root;
}

}  // namespace

void check_scope_model(const ScopeModel& model, std::string_view what) {
  const auto refuse = [&](std::string_view found) {
    internal::require(false, fmt::format("{}: {}", what, found));
  };
  internal::require_shape(model.quantiles, what);
  if (model.quantiles.rows != model.sizes.size()) {
    refuse(fmt::format("{} rows of quantiles for {} sizes; expected one for each",
                       model.quantiles.rows, model.sizes.size()));
  }
  if (model.empty()) return;
  if (model.sizes.front() < 3 ||
      std::ranges::adjacent_find(model.sizes, std::greater_equal<>()) != model.sizes.end()) {
    refuse(fmt::format("sizes {}; expected at least 3, ascending", fmt::join(model.sizes, ", ")));
  }
  if (model.quantiles.cols < 2) refuse("1 quantile; expected at least 2");
  for (std::size_t i = 0; i < model.sizes.size(); ++i) {
    if (!std::ranges::is_sorted(model.quantiles.row(i))) {
      refuse(fmt::format("quantiles of size {} do not ascend", model.sizes[i]));
    }
  }
}

double share_at_most(const ScopeModel& model, double u, std::size_t n) {
  internal::require(model.knows(n), fmt::format("scope model: nothing known of {} examples", n));
  const auto above = std::ranges::upper_bound(model.sizes, n);
  const auto upper = static_cast<std::size_t>(above - model.sizes.begin());
  const double low = share_in_row(model.quantiles.row(upper - 1), u);
  if (above == model.sizes.end()) return low;
  const double from = std::log(model.sizes[upper - 1]);
  const double at = (std::log(n) - from) / (std::log(*above) - from);
  return std::lerp(low, share_in_row(model.quantiles.row(upper), u), at);
}

ScopeModel fit_scope_model(std::span<const Matrix> sets, std::uint64_t seed) {
  ScopeModel model;
  for (const std::size_t n : kSizes) {
    Rng rng(seed, fmt::format("scope model {}", n));
    std::vector<double> all;
    for (const Matrix& set : sets) {
      if (set.rows < n + kLeastRequests) continue;
      const auto own = own_requests(set, n, rng);
      for (std::size_t i = 0; i < kOfEachSet; ++i) {
        all.push_back(quantile(own, (static_cast<double>(i) + 0.5) / kOfEachSet));
      }
    }
    if (all.empty()) break;
    std::ranges::sort(all);
    model.sizes.push_back(n);
    model.quantiles.rows += 1;
    model.quantiles.cols = kLevels;
    for (std::size_t i = 0; i < kLevels; ++i) {
      const double root = static_cast<double>(i) / (kLevels - 1);
      model.quantiles.data.push_back(
          static_cast<float>(std::round(quantile(all, root * root) * 1e4) / 1e4));
    }
  }
  return model;
}

}  // namespace crayon
