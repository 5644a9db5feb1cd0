// What merges of A and B apart have in common: each tensor's factors become one A and one B.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "crayon/adapter/blend.h"

namespace crayon::internal {

/// The A (or the B) of the parts that have a tensor, and the factor of each.
struct Summands {
  std::vector<const Matrix*> matrices;  ///< At least one, all of one shape; borrowed.
  std::vector<double> factors;          ///< One for each matrix.
};

/// One matrix out of several of its shape.
using Combine = std::function<Matrix(const Summands&)>;

/// The factors of A and of B for one part: from its weight and its tensor's scale.
struct PartFactors {
  double a = 0;
  double b = 0;
};
using Split = std::function<PartFactors(double weight, double scale)>;

/// Combines the factors of each tensor, A before B, tensors in order of their names; scale 1.
/// @param who  the method's name, for messages
/// @throws Error InvalidArgument  no parts, a weight that is not finite, or a result beyond float32
/// @throws Error Incompatible     another base model, shape or rank of the same tensor
[[nodiscard]] Adapter merge_factors(const std::string& who, std::span<const BlendPart> parts,
                                    const Split& split, const Combine& combine);

/// sum_i factor_i matrix_i
[[nodiscard]] Matrix weighted_sum(const Summands& summands);

}  // namespace crayon::internal
