// COBYLA without constraints: minimises a function of n numbers from its values alone. A simplex of
// n + 1 points gives a linear model; the next point lies `delta` down its slope from the best one.
//   M.J.D. Powell, "A direct search optimization method that models the objective and constraint
//   functions by linear interpolation", 1994; the rules for delta, for the point to drop and for
//   the geometry of the simplex are those of its successor in PRIMA (Z. Zhang, 2023), which SciPy
//   has.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <vector>

namespace crayon::internal {

struct CobylaOptions {
  double rho_begin = 1.0;   ///< Length of the first steps.
  double rho_end = 1e-6;    ///< The search ends when steps of this length do not help; above 0.
  std::size_t budget = 40;  ///< Most evaluations, at least 1.
};

struct CobylaResult {
  std::vector<double> x;        ///< The best point that was evaluated.
  double value = 0;             ///< The function there.
  std::size_t evaluations = 0;  ///< At most the budget.
};

/// @param start  n numbers, at least one
/// @param f      called once a point, the first time with `start`; values that are not a number or
///               above 1e30 count as 1e30
[[nodiscard]] CobylaResult cobyla(std::span<const double> start,
                                  const std::function<double(std::span<const double>)>& f,
                                  const CobylaOptions& options);

}  // namespace crayon::internal
