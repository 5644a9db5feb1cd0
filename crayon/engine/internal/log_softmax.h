// Log-probabilities of single tokens from a row of logits, without a second row.
#pragma once

#include <span>

namespace crayon::internal {

/// log sum_i exp(x_i), to about 1e-6; x has at least one number, none NaN.
[[nodiscard]] double log_sum_exp(std::span<const float> x);

/// log softmax(x)[i]
[[nodiscard]] inline float log_probability(std::span<const float> x, std::size_t i) {
  return static_cast<float>(x[i] - log_sum_exp(x));
}

}  // namespace crayon::internal
