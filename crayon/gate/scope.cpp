#include "crayon/gate/scope.h"

#include <limits>
#include <numeric>
#include <utility>

#include "crayon/gate/internal/vectors.h"

namespace crayon {
namespace {

constexpr std::size_t kNobody = std::numeric_limits<std::size_t>::max();

/// Mean cosine similarity of z to its `neighbours` nearest rows but row `left_out`.
double nearest(const Matrix& rows, std::span<const float> z, std::size_t neighbours,
               std::size_t left_out) {
  std::vector<double> similar;
  similar.reserve(rows.rows);
  for (std::size_t i = 0; i < rows.rows; ++i) {
    if (i != left_out) similar.push_back(internal::dot(rows.row(i), z));
  }
  const auto end = similar.begin() + static_cast<std::ptrdiff_t>(neighbours);
  std::partial_sort(similar.begin(), end, similar.end(), std::greater<>());
  double sum = 0;
  for (auto s = similar.begin(); s != end; ++s) sum += *s;
  return sum / static_cast<double>(neighbours);
}

/// The conformal p-value joined with the model's share, where there is a model that knows n.
double join(const ScopeModel& model, std::size_t n, double p, double share) {
  if (!model.knows(n)) return p;
  const auto own = static_cast<double>(n);
  return (own * p + kScopeModelExamples * share) / (own + kScopeModelExamples);
}

double least_p_value_of(const ScopeModel& model, std::size_t n) {
  return join(model, n, 1.0 / static_cast<double>(n + 1), 0);
}

}  // namespace

std::size_t scope_examples_needed(double level, const ScopeModel& model) {
  internal::require(level >= 0 && level <= 1,
                    fmt::format("scope: level {}; expected 0 to 1", level));
  if (level == 0) return 0;
  const double n = std::min(std::floor(1 / level), 1e15);
  // what rounding may have moved across the level
  const auto alone = static_cast<std::size_t>(1 / (n + 1) < level ? n : n + 1);
  if (model.empty() || alone <= model.sizes.front()) return alone;
  if (least_p_value_of(model, model.sizes.front()) < level) return model.sizes.front();
  // The model spares c + 1 + c / n examples at most; from the first size on the least p-value
  // falls.
  const auto spared = static_cast<std::size_t>(2 * kScopeModelExamples);
  std::size_t found = std::max(model.sizes.front(), alone > spared ? alone - spared : 0);
  while (found < alone && least_p_value_of(model, found) >= level) ++found;
  return found;
}

Scope::Scope(Matrix examples, ScopeModel model, std::size_t neighbours)
    : examples_(std::move(examples)), model_(std::move(model)) {
  internal::require_shape(examples_, "scope: examples");
  check_scope_model(model_, "scope model");
  const std::size_t n = examples_.rows;
  internal::require(n >= 2, fmt::format("scope: {} examples; expected at least 2", n));
  internal::require(neighbours >= 1, "scope: 0 neighbours; expected at least 1");
  neighbours_ = std::min(neighbours, n - 1);
  own_.reserve(n);
  for (std::size_t i = 0; i < n; ++i) {
    own_.push_back(nearest(examples_, examples_.row(i), neighbours_, i));
  }
  sorted_ = own_;
  std::sort(sorted_.begin(), sorted_.end());
  own_mean_ = std::reduce(own_.begin(), own_.end()) / static_cast<double>(n);
}

double Scope::similarity(std::span<const float> z) const {
  internal::require_size(z.size(), examples_.cols, "scope: embedding");
  internal::require_finite(z, "scope: embedding");
  return nearest(examples_, z, neighbours_, kNobody);
}

double Scope::p_value(std::span<const float> z) const {
  const double similar = similarity(z);
  const auto above = std::upper_bound(sorted_.begin(), sorted_.end(), similar);
  const std::size_t n = sorted_.size();
  const double p = static_cast<double>(1 + (above - sorted_.begin())) / static_cast<double>(n + 1);
  if (!model_.knows(n)) return p;
  return join(model_, n, p, share_at_most(model_, relative(similar), n));
}

double Scope::relative_similarity(std::span<const float> z) const {
  return relative(similarity(z));
}

/// Examples that have nothing in common with each other would make everything far more similar.
double Scope::relative(double similarity) const { return similarity / std::max(own_mean_, 0.05); }

double Scope::local_rank(std::span<const float> z, std::size_t nearby) const {
  const double similar = similarity(z);
  nearby = std::min(nearby, own_.size());
  internal::require(nearby >= 1, "scope: 0 examples nearby; expected at least 1");
  std::vector<std::pair<double, std::size_t>> rows;
  rows.reserve(own_.size());
  for (std::size_t i = 0; i < own_.size(); ++i) {
    rows.emplace_back(-internal::dot(examples_.row(i), z), i);
  }
  const auto end = rows.begin() + static_cast<std::ptrdiff_t>(nearby);
  std::partial_sort(rows.begin(), end, rows.end());
  const auto reached = std::count_if(rows.begin(), end,
                                     [&](const auto& row) { return own_[row.second] <= similar; });
  return static_cast<double>(reached) / static_cast<double>(nearby);
}

double Scope::least_p_value() const { return least_p_value_of(model_, own_.size()); }

std::vector<double> p_values_among_others(const Matrix& z, const ScopeModel& model) {
  std::vector<double> p_values;
  if (z.rows < 3) return p_values;
  for (std::size_t k = 0; k < z.rows; ++k) {
    Matrix others(z.rows - 1, z.cols);
    for (std::size_t i = 0; i < others.rows; ++i) {
      std::ranges::copy(z.row(i < k ? i : i + 1), others.row(i).begin());
    }
    p_values.push_back(Scope(std::move(others), model).p_value(z.row(k)));
  }
  return p_values;
}

}  // namespace crayon
