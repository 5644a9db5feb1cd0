// What a pool knows of scope before it has seen a task: how similar a task's own requests are to
// its first n examples. A few examples cannot tell; the pool's validation sets, each taken as a
// task, can. Ours.
//   u = similarity / mean leave-one-out similarity of the n examples (see scope.h)
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "crayon/base/matrix.h"

namespace crayon {

struct ScopeModel {
  std::vector<std::size_t> sizes;  ///< n, ascending, at least 3 each; none: nothing is known.
  /// [sizes, L] of own requests' u at the levels (i / (L - 1))^2, ascending: close together where u
  /// is small, as those decide.
  Matrix quantiles;
  [[nodiscard]] bool empty() const { return sizes.empty(); }
  /// Does it speak of a task of n examples? From its least size on; beyond its largest as there.
  [[nodiscard]] bool knows(std::size_t n) const { return !empty() && n >= sizes.front(); }
};

/// As so many further examples the model counts beside the task's own.
inline constexpr double kScopeModelExamples = 20;

/// @throws Error InvalidArgument  sizes or quantiles that do not ascend, another number of rows, a
///                                number that is not finite. @param what  begins the message
void check_scope_model(const ScopeModel& model, std::string_view what);

/// Share of own requests whose u is at most `u`, 0 to 1, where the model knows n: linear between
/// the quantiles, and between sizes in log n.
[[nodiscard]] double share_at_most(const ScopeModel& model, double u, std::size_t n);

/// Each set in turn is a task: n of its rows, drawn 20 times, are the examples, all others are
/// requests. Sets count alike; one of fewer than n + 8 rows says nothing of n. Rounded to 4 digits.
/// @param sets  z [rows, m] of each, rows of norm 1
/// @return  for n = 4, 8, 16, 32, 64, as far as there are rows; empty where there are too few
[[nodiscard]] ScopeModel fit_scope_model(std::span<const Matrix> sets, std::uint64_t seed);

}  // namespace crayon
