// The best low-rank approximation of B_cat diag(c) A_cat without forming it (Eckart and Young
// 1936):
//   A_cat^T = Q_A R_A,  B_cat = Q_B R_B,  core = R_B diag(c) R_A^T = U S V^T   (R x R, in double)
//   B = Q_B U sqrt(S),  A = sqrt(S) V^T Q_A^T, the leading columns only.
#pragma once

#include <span>
#include <vector>

#include "crayon/adapter/internal/group.h"

namespace crayon::internal {

/// Thin QR of an [n, R] matrix; k = min(n, R).
struct ThinQr {
  Matrix q;               ///< [n, k], orthonormal columns
  std::vector<double> r;  ///< [k, R], row by row
};

/// What does not depend on the weights; c = w times scale comes in later.
struct Factors {
  ThinQr a;  ///< of A_cat^T
  ThinQr b;  ///< of B_cat
};
[[nodiscard]] Factors factorize(const TensorGroup& group);

struct LowRank {
  Matrix a;                  ///< [r, d_in]
  Matrix b;                  ///< [d_out, r]
  double squared_error = 0;  ///< ||blend - target||_F^2, the sum of the left-out sigma^2
  double squared_norm = 0;   ///< ||target||_F^2
};
/// @param columns  c for each of the R columns; @param rank  at least 1; cut to what there is
[[nodiscard]] LowRank truncate(const Factors& factors, std::span<const double> columns,
                               std::size_t rank);

}  // namespace crayon::internal
