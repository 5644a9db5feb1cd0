// A small dense solver, float64 (Eigen).
#pragma once

#include <span>
#include <vector>

namespace crayon {

/// x with H x = g. @param h  symmetric, positive definite, row-major [n, n]
[[nodiscard]] std::vector<double> solve_positive(std::span<const double> h,
                                                 std::span<const double> g);

}  // namespace crayon
