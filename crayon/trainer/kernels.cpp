#include "crayon/trainer/internal/kernels.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

// Built once for each kind of vector unit; the right one is picked when the program starts. The
// loops are written for the compiler to vectorise: no branches, no calls that it cannot inline, and
// results that overlap nothing (__restrict).
#if defined(__x86_64__) && defined(__gnu_linux__)
#define CRAYON_VECTOR __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define CRAYON_VECTOR
#endif
#define CRAYON_INLINE inline __attribute__((always_inline))

namespace crayon::kernels {
namespace {

CRAYON_INLINE float load(float value) { return value; }
CRAYON_INLINE float load(Bf16 value) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(value.bits) << 16);
}
CRAYON_INLINE void store(float value, float& place) { place = value; }
CRAYON_INLINE void store(float value, Bf16& place) {  // to nearest, ties to even
  const auto bits = std::bit_cast<std::uint32_t>(value);
  place.bits = static_cast<std::uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

// exp to a few ulp: 2^n e^r with |r| <= ln 2 / 2 and the Taylor polynomial of degree 6; 0 below
// -80, so that no product with it is a slow denormal number.
CRAYON_INLINE float fast_exp(float x) {
  const float bounded = std::min(std::max(x, -80.0f), 88.0f);
  const float shifted = bounded * 1.44269504f + 12582912.0f;  // 1.5 * 2^23: rounds to whole
  const float whole = shifted - 12582912.0f;
  const float r = (bounded - whole * 0.693145752f) - whole * 1.42860677e-6f;
  float p = 1.0f / 720;
  p = p * r + 1.0f / 120;
  p = p * r + 1.0f / 24;
  p = p * r + 1.0f / 6;
  p = p * r + 0.5f;
  p = p * r + 1.0f;
  p = p * r + 1.0f;
  const std::int32_t power = static_cast<std::int32_t>(whole) + 127;
  return x < -80.0f ? 0.0f : p * std::bit_cast<float>(power << 23);
}

template <typename E>
CRAYON_INLINE void norm_rows(const float* x, const float* weight, float eps, std::int64_t rows,
                             std::int64_t width, E* __restrict y, float* __restrict rate) {
  for (std::int64_t row = 0; row < rows; ++row, x += width, y += width) {
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (std::int64_t i = 0; i < width; ++i) sum += x[i] * x[i];
    const float r = 1.0f / std::sqrt(sum / static_cast<float>(width) + eps);
    rate[row] = r;
    for (std::int64_t i = 0; i < width; ++i) store(x[i] * r * weight[i], y[i]);
  }
}

template <typename E>
CRAYON_INLINE void norm_rows_back(const E* grad, const float* x, const float* weight,
                                  const float* rate, std::int64_t rows, std::int64_t width,
                                  float* __restrict x_grad) {
  for (std::int64_t row = 0; row < rows; ++row, x += width, grad += width, x_grad += width) {
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (std::int64_t i = 0; i < width; ++i) sum += load(grad[i]) * weight[i] * x[i];
    const float r = rate[row];
    const float along = sum / static_cast<float>(width) * r * r * r;
    for (std::int64_t i = 0; i < width; ++i) {
      x_grad[i] = load(grad[i]) * weight[i] * r - x[i] * along;
    }
  }
}

CRAYON_INLINE float sigmoid(float x) { return 1.0f / (1.0f + fast_exp(-x)); }

template <typename E>
CRAYON_INLINE void gate_rows(const E* gate_up, std::int64_t rows, std::int64_t width,
                             E* __restrict y) {
  for (std::int64_t row = 0; row < rows; ++row, gate_up += 2 * width, y += width) {
    const E* up = gate_up + width;
    for (std::int64_t i = 0; i < width; ++i) {
      const float gate = load(gate_up[i]);
      store(gate * sigmoid(gate) * load(up[i]), y[i]);
    }
  }
}

// silu'(x) = s (1 + x (1 - s)), s the sigmoid of x.
template <typename E>
CRAYON_INLINE void gate_rows_back(const E* gate_up, const E* grad, std::int64_t rows,
                                  std::int64_t width, E* __restrict out) {
  for (std::int64_t row = 0; row < rows; ++row) {
    const E* up = gate_up + width;
    E* __restrict up_out = out + width;
    for (std::int64_t i = 0; i < width; ++i) {
      const float gate = load(gate_up[i]), g = load(grad[i]), s = sigmoid(gate);
      store(g * load(up[i]) * s * (1.0f + gate * (1.0f - s)), out[i]);
      store(g * gate * s, up_out[i]);
    }
    gate_up += 2 * width;
    grad += width;
    out += 2 * width;
  }
}

template <typename E>
CRAYON_INLINE void log_sum_rows(const E* x, std::int64_t rows, std::int64_t width,
                                float* __restrict sums) {
  for (std::int64_t row = 0; row < rows; ++row, x += width) {
    float largest = -std::numeric_limits<float>::infinity();
#pragma omp simd reduction(max : largest)
    for (std::int64_t i = 0; i < width; ++i) largest = std::max(largest, load(x[i]));
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (std::int64_t i = 0; i < width; ++i) sum += fast_exp(load(x[i]) - largest);
    sums[row] = largest + std::log(sum);
  }
}

template <typename E>
CRAYON_INLINE void softmax_rows(const E* x, const float* sums, const float* factors,
                                std::int64_t rows, std::int64_t width, E* __restrict y) {
  for (std::int64_t row = 0; row < rows; ++row, x += width, y += width) {
    const float sum = sums[row], factor = factors[row];
    for (std::int64_t i = 0; i < width; ++i) store(fast_exp(load(x[i]) - sum) * factor, y[i]);
  }
}

}  // namespace

CRAYON_VECTOR void rms_norm(const float* x, const float* weight, float eps, std::int64_t rows,
                            std::int64_t width, float* y, float* rate) {
  norm_rows(x, weight, eps, rows, width, y, rate);
}
CRAYON_VECTOR void rms_norm(const float* x, const float* weight, float eps, std::int64_t rows,
                            std::int64_t width, Bf16* y, float* rate) {
  norm_rows(x, weight, eps, rows, width, y, rate);
}

CRAYON_VECTOR void rms_norm_backward(const float* grad, const float* x, const float* weight,
                                     const float* rate, std::int64_t rows, std::int64_t width,
                                     float* x_grad) {
  norm_rows_back(grad, x, weight, rate, rows, width, x_grad);
}
CRAYON_VECTOR void rms_norm_backward(const Bf16* grad, const float* x, const float* weight,
                                     const float* rate, std::int64_t rows, std::int64_t width,
                                     float* x_grad) {
  norm_rows_back(grad, x, weight, rate, rows, width, x_grad);
}

CRAYON_VECTOR void swiglu(const float* gate_up, std::int64_t rows, std::int64_t width, float* y) {
  gate_rows(gate_up, rows, width, y);
}
CRAYON_VECTOR void swiglu(const Bf16* gate_up, std::int64_t rows, std::int64_t width, Bf16* y) {
  gate_rows(gate_up, rows, width, y);
}

CRAYON_VECTOR void swiglu_backward(const float* gate_up, const float* grad, std::int64_t rows,
                                   std::int64_t width, float* gate_up_grad) {
  gate_rows_back(gate_up, grad, rows, width, gate_up_grad);
}
CRAYON_VECTOR void swiglu_backward(const Bf16* gate_up, const Bf16* grad, std::int64_t rows,
                                   std::int64_t width, Bf16* gate_up_grad) {
  gate_rows_back(gate_up, grad, rows, width, gate_up_grad);
}

CRAYON_VECTOR void masked_softmax(float* scores, const float* mask, std::int64_t mask_rows,
                                  float scale, std::int64_t rows, std::int64_t width) {
  for (std::int64_t row = 0; row < rows; ++row, scores += width) {
    const float* hidden = mask + (row % mask_rows) * width;
    float largest = -std::numeric_limits<float>::infinity();
#pragma omp simd reduction(max : largest)
    for (std::int64_t i = 0; i < width; ++i) {
      scores[i] = scores[i] * scale + hidden[i];
      largest = std::max(largest, scores[i]);
    }
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (std::int64_t i = 0; i < width; ++i) {
      scores[i] = fast_exp(scores[i] - largest);
      sum += scores[i];
    }
    const float share = 1.0f / sum;
    for (std::int64_t i = 0; i < width; ++i) scores[i] *= share;
  }
}

CRAYON_VECTOR void softmax_backward(float* p_grad, const float* p, float scale, std::int64_t rows,
                                    std::int64_t width) {
  for (std::int64_t row = 0; row < rows; ++row, p_grad += width, p += width) {
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (std::int64_t i = 0; i < width; ++i) sum += p_grad[i] * p[i];
    for (std::int64_t i = 0; i < width; ++i) p_grad[i] = scale * p[i] * (p_grad[i] - sum);
  }
}

CRAYON_VECTOR void log_sum_exp(const float* x, std::int64_t rows, std::int64_t width, float* sums) {
  log_sum_rows(x, rows, width, sums);
}
CRAYON_VECTOR void log_sum_exp(const Bf16* x, std::int64_t rows, std::int64_t width, float* sums) {
  log_sum_rows(x, rows, width, sums);
}

CRAYON_VECTOR void scaled_softmax(const float* x, const float* sums, const float* factors,
                                  std::int64_t rows, std::int64_t width, float* y) {
  softmax_rows(x, sums, factors, rows, width, y);
}
CRAYON_VECTOR void scaled_softmax(const Bf16* x, const float* sums, const float* factors,
                                  std::int64_t rows, std::int64_t width, Bf16* y) {
  softmax_rows(x, sums, factors, rows, width, y);
}

}  // namespace crayon::kernels
