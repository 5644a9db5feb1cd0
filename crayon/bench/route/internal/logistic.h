// Logistic regression with a ridge, for routers that are learnt from labels.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "crayon/base/matrix.h"

namespace crayon {

/// P(y = 1 | x) = 1 / (1 + exp(-(<w, x> + c))).
struct Logistic {
  std::vector<double> weights;  ///< w [m], then c.

  /// <w, x> + c
  [[nodiscard]] double logit(std::span<const float> x) const;
};

/// Least sum of log-losses + ridge / 2 |w|^2, c not penalised, by Newton's method. Where all labels
/// are the same or there is no row, w is 0: it knows nothing.
[[nodiscard]] Logistic fit_logistic(const Matrix& x, std::span<const std::uint8_t> y,
                                    double ridge = 1.0);

}  // namespace crayon
