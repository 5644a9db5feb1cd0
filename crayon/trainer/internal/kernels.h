// The element-wise steps of a block on the CPU, one pass over memory each: libtorch needs several
// and, as packaged, runs them on narrow vectors. Rows are contiguous;  Functions
// work on the rows they are given, so that callers may split rows among threads.
#pragma once

#include <cstdint>

namespace crayon::kernels {

/// The upper half of a float, as torch keeps it.
struct Bf16 {
  std::uint16_t bits;
};

/// y = x r w with r = (mean(x^2) + eps)^-1/2, kept in `rate` for the way back.
void rms_norm(const float* x, const float* weight, float eps, std::int64_t rows, std::int64_t width,
              float* y, float* rate);
void rms_norm(const float* x, const float* weight, float eps, std::int64_t rows, std::int64_t width,
              Bf16* y, float* rate);

/// x_grad = r (g w) - x r^3 mean(x g w).
void rms_norm_backward(const float* grad, const float* x, const float* weight, const float* rate,
                       std::int64_t rows, std::int64_t width, float* x_grad);
void rms_norm_backward(const Bf16* grad, const float* x, const float* weight, const float* rate,
                       std::int64_t rows, std::int64_t width, float* x_grad);

/// y [rows, width] = silu(gate) * up from gate_up [rows, 2 width].
void swiglu(const float* gate_up, std::int64_t rows, std::int64_t width, float* y);
void swiglu(const Bf16* gate_up, std::int64_t rows, std::int64_t width, Bf16* y);

/// grad [rows, width] to gate_up_grad [rows, 2 width].
void swiglu_backward(const float* gate_up, const float* grad, std::int64_t rows, std::int64_t width,
                     float* gate_up_grad);
void swiglu_backward(const Bf16* gate_up, const Bf16* grad, std::int64_t rows, std::int64_t width,
                     Bf16* gate_up_grad);

/// In place: softmax(scale * s + mask) of rows [rows, width]; row i adds row (i mod mask_rows) of
/// the mask, which has a number other than -inf in every row.
void masked_softmax(float* scores, const float* mask, std::int64_t mask_rows, float scale,
                    std::int64_t rows, std::int64_t width);

/// In place: p_grad to scale * p (p_grad - sum(p_grad p)).
void softmax_backward(float* p_grad, const float* p, float scale, std::int64_t rows,
                      std::int64_t width);

/// log sum exp of each row.
void log_sum_exp(const float* x, std::int64_t rows, std::int64_t width, float* sums);
void log_sum_exp(const Bf16* x, std::int64_t rows, std::int64_t width, float* sums);

/// y = exp(x - sums[row]) * factors[row].
void scaled_softmax(const float* x, const float* sums, const float* factors, std::int64_t rows,
                    std::int64_t width, float* y);
void scaled_softmax(const Bf16* x, const float* sums, const float* factors, std::int64_t rows,
                    std::int64_t width, Bf16* y);

}  // namespace crayon::kernels
