// Arrow (Ostapenko et al. 2024, arXiv 2405.11157): routing without training. The direction of input
// that an adapter amplifies most at a matrix stands for the adapter there; inputs along it choose
// it. A rival of the gate; PEFT 0.20 has it, and its defaults are the ones here.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "crayon/adapter/adapter.h"

namespace crayon {

struct ArrowPrototype {
  std::string name;              ///< The tensor's.
  std::vector<float> direction;  ///< [d_in], length 1; zeros where the delta is zero.
};

/// The right singular vector of the largest singular value of B A at each tensor, in the adapter's
/// order; its largest entry is positive (the sign means nothing). Exact, by a QR of A^T and the
/// eigenvectors of an r x r matrix in double: the delta itself is never formed.
///
/// @throws Error InvalidArgument  as check_adapter()
[[nodiscard]] std::vector<ArrowPrototype> arrow_prototypes(const Adapter& adapter);

struct ArrowOptions {
  std::size_t top_k = 3;     ///< Adapters that take part, at least 1; more than N means all.
  double temperature = 1.0;  ///< Above 0; lower ones prefer the best more.
};

/// The adapters' shares for one input at one matrix: the softmax of |x . v_i| / temperature over
/// the top_k largest (of equal ones the earlier), 0 for the others.
///
/// @param prototypes  [N, d_in], one row an adapter; N at least 1
/// @param x           [d_in], the input of the matrix, as it is: its length counts
/// @return            [N], sums to 1
/// @throws Error InvalidArgument  no prototypes, another length of x, or options out of range
[[nodiscard]] std::vector<float> arrow_coefficients(const Matrix& prototypes,
                                                    std::span<const float> x,
                                                    const ArrowOptions& options = {});

}  // namespace crayon
