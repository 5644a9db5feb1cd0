// Element-wise steps on tensors: our kernels on the CPU, libtorch's own operations elsewhere
// (CUDA). No gradients here; block_functions.h has those.
#pragma once

#include <torch/types.h>

#include <utility>

namespace crayon {

/// y in the type `out` and the rates [T] for the way back; see kernels::rms_norm.
[[nodiscard]] std::pair<torch::Tensor, torch::Tensor> rms_norm_forward(const torch::Tensor& x,
                                                                       const torch::Tensor& weight,
                                                                       double eps,
                                                                       torch::ScalarType out);
/// f32 [T, d]
[[nodiscard]] torch::Tensor rms_norm_backward(const torch::Tensor& grad, const torch::Tensor& x,
                                              const torch::Tensor& weight,
                                              const torch::Tensor& rate);

/// [T, 2 n] to [T, n].
[[nodiscard]] torch::Tensor swiglu_forward(const torch::Tensor& gate_up);
[[nodiscard]] torch::Tensor swiglu_backward(const torch::Tensor& gate_up,
                                            const torch::Tensor& grad);

/// In place: softmax(scale * scores + mask) over the last dimension.
/// @param scores  f32 [Hk, (H / Hk) t, t], contiguous, in the host's memory
/// @param mask  f32 [t, t]
void masked_softmax_(torch::Tensor& scores, const torch::Tensor& mask, double scale);
/// In place: the gradient of probabilities to that of scores before the scale.
void softmax_backward_(torch::Tensor& p_grad, const torch::Tensor& p, double scale);

/// Log sum exp of each row, f32 [U].
[[nodiscard]] torch::Tensor log_sum_exp(const torch::Tensor& logits);
/// exp(logits - sums) * factors by rows, in the type of logits.
[[nodiscard]] torch::Tensor scaled_softmax(const torch::Tensor& logits, const torch::Tensor& sums,
                                           const torch::Tensor& factors);

}  // namespace crayon
