#include "crayon/gate/scope.h"

#include <limits>
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

}  // namespace

std::size_t scope_examples_needed(double level) {
  internal::require(level >= 0 && level <= 1,
                    fmt::format("scope: level {}; expected 0 to 1", level));
  if (level == 0) return 0;
  const double n = std::min(std::floor(1 / level), 1e15);
  // what rounding may have moved across the level
  return static_cast<std::size_t>(1 / (n + 1) < level ? n : n + 1);
}

Scope::Scope(Matrix examples, std::size_t neighbours) : examples_(std::move(examples)) {
  internal::require_shape(examples_, "scope: examples");
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
}

double Scope::similarity(std::span<const float> z) const {
  internal::require_size(z.size(), examples_.cols, "scope: embedding");
  internal::require_finite(z, "scope: embedding");
  return nearest(examples_, z, neighbours_, kNobody);
}

double Scope::p_value(std::span<const float> z) const {
  const auto above = std::upper_bound(sorted_.begin(), sorted_.end(), similarity(z));
  return static_cast<double>(1 + (above - sorted_.begin())) /
         static_cast<double>(sorted_.size() + 1);
}

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

double Scope::least_p_value() const { return 1.0 / static_cast<double>(own_.size() + 1); }

std::vector<double> p_values_among_others(const Matrix& z) {
  std::vector<double> p_values;
  if (z.rows < 3) return p_values;
  for (std::size_t k = 0; k < z.rows; ++k) {
    Matrix others(z.rows - 1, z.cols);
    for (std::size_t i = 0; i < others.rows; ++i) {
      std::ranges::copy(z.row(i < k ? i : i + 1), others.row(i).begin());
    }
    p_values.push_back(Scope(std::move(others)).p_value(z.row(k)));
  }
  return p_values;
}

}  // namespace crayon
