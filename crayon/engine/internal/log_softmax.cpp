#include "crayon/engine/internal/log_softmax.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>

#include "crayon/base/error.h"

namespace crayon::internal {
namespace {

/// exp(x) for x <= 0, relative error below 1e-6, in operations that vectorise: 2^n 2^f with n the
/// nearest integer of x log2(e) and the Taylor series of 2^f, |f| <= 1/2. A vocabulary has up to
/// 152,000 rows and a question some hundred positions, where std::exp costs more than a layer.
inline float exp_of_negative(float x) {
  const float y = std::max(x * 1.44269504f, -126.0f);
  constexpr float kShift = 12582912.0f;  // 1.5 * 2^23: rounds to the nearest integer
  const float shifted = y + kShift;
  const float n = shifted - kShift;
  const float f = (y - n) * 0.693147181f;
  const float p =
      1 +
      f * (1 + f * (0.5f + f * (0.166666667f +
                                f * (0.0416666667f + f * (0.00833333333f + f * 0.00138888889f)))));
  // The bits of `shifted` count in steps of 1; unlike a cast this holds for NaN, where p is NaN
  // too.
  const auto steps = std::bit_cast<std::int32_t>(shifted) - std::bit_cast<std::int32_t>(kShift);
  const auto exponent = (steps + 127) << 23;
  return p * std::bit_cast<float>(exponent);
}

constexpr std::size_t kBlock = 64;  // summed in float, side by side; blocks are summed in double

float largest(std::span<const float> x) {
  float lanes[kBlock];
  std::fill_n(lanes, kBlock, x[0]);
  std::size_t i = 0;
  for (; i + kBlock <= x.size(); i += kBlock) {
    for (std::size_t j = 0; j < kBlock; ++j) lanes[j] = x[i + j] > lanes[j] ? x[i + j] : lanes[j];
  }
  for (; i < x.size(); ++i) lanes[0] = std::max(lanes[0], x[i]);
  return *std::max_element(lanes, lanes + kBlock);
}

}  // namespace

double log_sum_exp(std::span<const float> x) {
  float lanes[kBlock];
  const float top = largest(x);
  if (!std::isfinite(top)) return top;

  double sum = 0;
  std::size_t i = 0;
  for (; i + kBlock <= x.size(); i += kBlock) {
    for (std::size_t j = 0; j < kBlock; ++j) lanes[j] = exp_of_negative(x[i + j] - top);
    for (std::size_t width = kBlock / 2; width > 0; width /= 2) {
      for (std::size_t j = 0; j < width; ++j) lanes[j] += lanes[j + width];
    }
    sum += lanes[0];
  }
  for (; i < x.size(); ++i) sum += exp_of_negative(x[i] - top);
  return top + std::log(sum);
}

double finite_log_sum_exp(std::span<const float> row, const std::string& model,
                          const std::string& adapter) {
  const double total = log_sum_exp(row);
  if (std::isfinite(total)) return total;
  const bool alone = adapter.empty();
  throw Error(ErrorCode::CorruptFile,
              fmt::format("{}{}{}: the model's scores of the next token are not finite, so no "
                          "answer can be given; {}",
                          model, alone ? "" : " with ", adapter,
                          alone ? "use another file of this model"
                                : "use another adapter, or smaller weights"));
}

}  // namespace crayon::internal
