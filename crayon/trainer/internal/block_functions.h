// The steps of a transformer block with gradients written by hand: the frozen weights get none, and
// what is cheap to compute again is not kept. Letters as in network.h.
#pragma once

#include <torch/types.h>

#include "crayon/trainer/internal/lora.h"

namespace crayon {

/// x / sqrt(mean(x^2) + eps) * weight, in the type `out`.
/// @param x  f32 [T, d]
[[nodiscard]] torch::Tensor rms_norm(const torch::Tensor& x, const torch::Tensor& weight,
                                     double eps, torch::ScalarType out);

/// x W^T + bias, and with factors + B_k (gain * (A x)) in each kind's columns.
/// @param x  [T, d_in] in the type of `weight`
/// @param weight  [sum of d_out, d_in], without gradient
/// @param bias  [sum of d_out], or undefined
/// @param factors  null for the base alone
[[nodiscard]] torch::Tensor adapted_linear(const torch::Tensor& x, const torch::Tensor& weight,
                                           const torch::Tensor& bias, const GroupFactors* factors);

/// silu(first half of columns) * second half.
[[nodiscard]] torch::Tensor swiglu(const torch::Tensor& gate_up);

/// log softmax(x W^T)[row, target] for each scored token, f32 [S]; the softmax in f32.
/// @param x  [U, d] in the type of `weight` [V, d], which gets no gradient
/// @param rows, targets  int64 [S], row of x and column of the logits
[[nodiscard]] torch::Tensor target_log_probs(const torch::Tensor& x, const torch::Tensor& weight,
                                             const torch::Tensor& rows,
                                             const torch::Tensor& targets);

}  // namespace crayon
