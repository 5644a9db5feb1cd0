#include "crayon/base/bytes.h"

#include <fmt/format.h>

#include <cmath>

#include "crayon/base/error.h"

namespace crayon {

std::span<const std::byte> ByteReader::take(std::uint64_t n) {
  if (n > left()) {
    throw Error(ErrorCode::CorruptFile,
                fmt::format("{}: cut short at byte {}: {} more bytes are needed, {} are left; "
                            "fetch or make the file again",
                            file_, offset_, n, left()));
  }
  const auto result = bytes_.subspan(offset_, n);
  offset_ += n;
  return result;
}

std::string ByteReader::text(std::uint64_t n) {
  const auto bytes = take(n);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::uint64_t checked_mul(std::uint64_t a, std::uint64_t b, std::string_view file) {
  std::uint64_t result = 0;
  if (__builtin_mul_overflow(a, b, &result)) {
    throw Error(ErrorCode::CorruptFile, fmt::format("{}: {} times {} is too large", file, a, b));
  }
  return result;
}

std::uint64_t checked_add(std::uint64_t a, std::uint64_t b, std::string_view file) {
  std::uint64_t result = 0;
  if (__builtin_add_overflow(a, b, &result)) {
    throw Error(ErrorCode::CorruptFile, fmt::format("{}: {} plus {} is too large", file, a, b));
  }
  return result;
}

float half_to_float(std::uint16_t half) noexcept {
  const std::uint32_t sign = static_cast<std::uint32_t>(half & 0x8000u) << 16;
  const std::uint32_t exponent = (half >> 10) & 0x1fu;
  const std::uint32_t mantissa = half & 0x3ffu;
  if (exponent == 0) {  // zero and subnormals: exact in float
    const float value = std::ldexp(static_cast<float>(mantissa), -24);
    return sign != 0 ? -value : value;
  }
  const std::uint32_t wide = exponent == 31 ? 255u : exponent + 112u;
  return std::bit_cast<float>(sign | (wide << 23) | (mantissa << 13));
}

std::uint16_t float_to_half(float value) noexcept {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const auto sign = static_cast<std::uint16_t>((bits >> 16) & 0x8000u);
  const std::uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return static_cast<std::uint16_t>(sign | 0x7e00u);   // NaN
  if (magnitude >= 0x477ff000u) return static_cast<std::uint16_t>(sign | 0x7c00u);  // too large
  if (magnitude < 0x38800000u) {  // below the least normal half: count in steps of 2^-24
    const float steps = std::ldexp(std::bit_cast<float>(magnitude), 24);
    return static_cast<std::uint16_t>(sign | static_cast<std::uint16_t>(std::nearbyint(steps)));
  }
  const std::uint32_t rounded = magnitude + 0xfffu + ((magnitude >> 13) & 1u);
  return static_cast<std::uint16_t>(sign | ((rounded - 0x38000000u) >> 13));
}

float bfloat_to_float(std::uint16_t bits) noexcept {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}

std::uint16_t float_to_bfloat(float value) noexcept {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<std::uint16_t>((bits >> 16) | 0x40u);
  return static_cast<std::uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

}  // namespace crayon
