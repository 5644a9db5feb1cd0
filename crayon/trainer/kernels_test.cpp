// Each kernel beside an oracle in double, on widths that do not fill a vector.
#include "crayon/trainer/internal/kernels.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include "crayon/base/random.h"

namespace crayon::kernels {
namespace {

constexpr std::int64_t kRows = 5, kWidth = 37;
constexpr std::size_t kSize = kRows * kWidth;

std::vector<float> random(std::size_t size, std::uint64_t seed, double spread = 1) {
  Rng rng(seed);
  std::vector<float> values(size);
  for (auto& value : values) value = static_cast<float>(spread * rng.normal());
  return values;
}

std::vector<float> widened(const std::vector<Bf16>& values) {
  std::vector<float> result;
  for (const Bf16 value : values) {
    result.push_back(std::bit_cast<float>(static_cast<std::uint32_t>(value.bits) << 16));
  }
  return result;
}

// Cuts to bf16, so that both number types start from the same numbers.
std::vector<Bf16> narrowed(std::vector<float>& values) {
  std::vector<Bf16> result;
  for (auto& value : values) {
    result.push_back({static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(value) >> 16)});
  }
  values = widened(result);
  return result;
}

void expect_near(const std::vector<float>& got, const std::vector<double>& want, double relative) {
  ASSERT_EQ(got.size(), want.size());
  for (std::size_t i = 0; i < want.size(); ++i) {
    EXPECT_NEAR(got[i], want[i], relative * (1e-2 + std::fabs(want[i]))) << i;
  }
}

constexpr double kF32 = 2e-5, kBf16 = 1.0 / 256;

TEST(Kernels, RmsNormAndItsGradientEqualTheFormula) {
  const auto x = random(kSize, 1), weight = random(kWidth, 2);
  auto grad = random(kSize, 3);
  const auto grad16 = narrowed(grad);
  std::vector<double> y(kSize), back(kSize);
  for (std::size_t row = 0; row < kRows; ++row) {
    const std::size_t at = row * kWidth;
    double square = 0, along = 0;
    for (std::size_t i = 0; i < kWidth; ++i) square += double{x[at + i]} * x[at + i] / kWidth;
    const double r = 1 / std::sqrt(square + 0.01);
    for (std::size_t i = 0; i < kWidth; ++i) {
      y[at + i] = x[at + i] * r * weight[i];
      along += double{grad[at + i]} * weight[i] * x[at + i] / kWidth;
    }
    for (std::size_t i = 0; i < kWidth; ++i) {
      back[at + i] = grad[at + i] * r * weight[i] - x[at + i] * r * r * r * along;
    }
  }
  std::vector<float> got(kSize), rate(kRows);
  std::vector<Bf16> got16(kSize);
  rms_norm(x.data(), weight.data(), 0.01f, kRows, kWidth, got.data(), rate.data());
  expect_near(got, y, kF32);
  rms_norm(x.data(), weight.data(), 0.01f, kRows, kWidth, got16.data(), rate.data());
  expect_near(widened(got16), y, kBf16);
  rms_norm_backward(grad.data(), x.data(), weight.data(), rate.data(), kRows, kWidth, got.data());
  expect_near(got, back, 5 * kF32);
  rms_norm_backward(grad16.data(), x.data(), weight.data(), rate.data(), kRows, kWidth, got.data());
  expect_near(got, back, 5 * kF32);
}

TEST(Kernels, SwigluAndItsGradientEqualTheFormula) {
  auto both = random(2 * kSize, 1, 4), grad = random(kSize, 2);
  const auto both16 = narrowed(both), grad16 = narrowed(grad);
  std::vector<double> y(kSize), back(2 * kSize);
  for (std::size_t row = 0; row < kRows; ++row) {
    for (std::size_t i = 0; i < kWidth; ++i) {
      const std::size_t at = row * kWidth + i, gate = 2 * row * kWidth + i, up = gate + kWidth;
      const double s = 1 / (1 + std::exp(-double{both[gate]}));
      y[at] = both[gate] * s * both[up];
      back[gate] = grad[at] * both[up] * s * (1 + both[gate] * (1 - s));
      back[up] = grad[at] * both[gate] * s;
    }
  }
  std::vector<float> got(kSize), got_back(2 * kSize);
  std::vector<Bf16> got16(kSize), got_back16(2 * kSize);
  swiglu(both.data(), kRows, kWidth, got.data());
  expect_near(got, y, kF32);
  swiglu(both16.data(), kRows, kWidth, got16.data());
  expect_near(widened(got16), y, kBf16);
  swiglu_backward(both.data(), grad.data(), kRows, kWidth, got_back.data());
  expect_near(got_back, back, kF32);
  swiglu_backward(both16.data(), grad16.data(), kRows, kWidth, got_back16.data());
  expect_near(widened(got_back16), back, kBf16);
}

TEST(Kernels, MaskedSoftmaxAndItsGradientEqualTheFormulaAndHideWhatIsMasked) {
  auto scores = random(2 * kSize, 1, 20);
  std::vector<float> mask(kSize, 0.0f);
  for (std::size_t i = 1; i < kSize; i += 3) mask[i] = -std::numeric_limits<float>::infinity();
  const auto grad = random(2 * kSize, 2);
  std::vector<double> p(2 * kSize), back(2 * kSize);
  for (std::size_t row = 0; row < 2 * kRows; ++row) {
    double sum = 0, along = 0;
    for (std::size_t i = 0; i < kWidth; ++i) {
      const std::size_t at = row * kWidth + i;
      p[at] = std::exp(0.25 * scores[at] + mask[at % kSize]);
      sum += p[at];
    }
    for (std::size_t i = row * kWidth; i < (row + 1) * kWidth; ++i) {
      p[i] /= sum;
      along += p[i] * grad[i];
    }
    for (std::size_t i = row * kWidth; i < (row + 1) * kWidth; ++i) {
      back[i] = 0.25 * p[i] * (grad[i] - along);
    }
  }
  masked_softmax(scores.data(), mask.data(), kRows, 0.25f, 2 * kRows, kWidth);
  expect_near(scores, p, kF32);
  EXPECT_EQ(scores[1], 0.0f);
  auto got = grad;
  softmax_backward(got.data(), scores.data(), 0.25f, 2 * kRows, kWidth);
  expect_near(got, back, 10 * kF32);
}

TEST(Kernels, LogSumExpAndScaledSoftmaxEqualTheFormulaForLargeNumbers) {
  auto x = random(kSize, 1, 60);
  const auto x16 = narrowed(x);
  const auto factors = random(kRows, 2);
  std::vector<double> sums(kRows), y(kSize);
  for (std::size_t row = 0; row < kRows; ++row) {
    double sum = 0;
    for (std::size_t i = row * kWidth; i < (row + 1) * kWidth; ++i) sum += std::exp(double{x[i]});
    sums[row] = std::log(sum);
    for (std::size_t i = row * kWidth; i < (row + 1) * kWidth; ++i) {
      y[i] = std::exp(x[i] - sums[row]) * factors[row];
    }
  }
  std::vector<float> got(kRows), got_y(kSize);
  std::vector<Bf16> got_y16(kSize);
  log_sum_exp(x.data(), kRows, kWidth, got.data());
  expect_near(got, sums, kF32);
  scaled_softmax(x.data(), got.data(), factors.data(), kRows, kWidth, got_y.data());
  expect_near(got_y, y, 10 * kF32);
  log_sum_exp(x16.data(), kRows, kWidth, got.data());
  expect_near(got, sums, kF32);
  scaled_softmax(x16.data(), got.data(), factors.data(), kRows, kWidth, got_y16.data());
  expect_near(widened(got_y16), y, kBf16);
}

}  // namespace
}  // namespace crayon::kernels
