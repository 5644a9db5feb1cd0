// TIES of matrices of one shape, whatever they are: factors (merge_ties) or, in tests, dense
// deltas.
#pragma once

#include "crayon/adapter/internal/factors.h"
#include "crayon/adapter/merge.h"

namespace crayon::internal {

/// The matrix with all but its floor(density * size) largest entries (by absolute value) set to 0;
/// of equal entries the earlier ones stay.
[[nodiscard]] Matrix keep_largest(const Matrix& matrix, double density);

/// Trims each matrix, elects a sign for each entry, and takes the mean of factor * entry over those
/// that have it.
[[nodiscard]] Matrix ties(const Summands& summands, const TiesOptions& options);

}  // namespace crayon::internal
