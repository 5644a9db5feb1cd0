#include "crayon/formats/internal/ggml_types.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "crayon/base/bytes.h"

namespace crayon {
namespace {

constexpr std::uint32_t kF32 = 0, kF16 = 1, kQ8 = 8, kBf16 = 30;
constexpr std::size_t kQ8Bytes = 34;

constexpr std::array<GgmlType, 35> kTypes{{
    {0, "F32", 1, 4},         {1, "F16", 1, 2},         {2, "Q4_0", 32, 18},
    {3, "Q4_1", 32, 20},      {6, "Q5_0", 32, 22},      {7, "Q5_1", 32, 24},
    {8, "Q8_0", 32, 34},      {9, "Q8_1", 32, 36},      {10, "Q2_K", 256, 84},
    {11, "Q3_K", 256, 110},   {12, "Q4_K", 256, 144},   {13, "Q5_K", 256, 176},
    {14, "Q6_K", 256, 210},   {15, "Q8_K", 256, 292},   {16, "IQ2_XXS", 256, 66},
    {17, "IQ2_XS", 256, 74},  {18, "IQ3_XXS", 256, 98}, {19, "IQ1_S", 256, 50},
    {20, "IQ4_NL", 32, 18},   {21, "IQ3_S", 256, 110},  {22, "IQ2_S", 256, 82},
    {23, "IQ4_XS", 256, 136}, {24, "I8", 1, 1},         {25, "I16", 1, 2},
    {26, "I32", 1, 4},        {27, "I64", 1, 8},        {28, "F64", 1, 8},
    {29, "IQ1_M", 256, 56},   {30, "BF16", 1, 2},       {34, "TQ1_0", 256, 54},
    {35, "TQ2_0", 256, 66},   {39, "MXFP4", 32, 17},    {40, "NVFP4", 64, 36},
    {41, "Q1_0", 128, 18},    {42, "Q2_0", 64, 18},
}};

template <typename T>
T load(const std::byte* from) {
  T value;
  std::memcpy(&value, from, sizeof(T));
  return value;
}

template <typename Convert>
std::vector<float> from_halves(std::span<const std::byte> bytes, Convert convert) {
  std::vector<float> values(bytes.size() / 2);
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = convert(load<std::uint16_t>(bytes.data() + 2 * i));
  }
  return values;
}

std::vector<float> from_q8(std::span<const std::byte> bytes) {
  std::vector<float> values(bytes.size() / kQ8Bytes * kQ8Items);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::byte* block = bytes.data() + i / kQ8Items * kQ8Bytes;
    const float step = half_to_float(load<std::uint16_t>(block));
    values[i] = step * static_cast<float>(load<std::int8_t>(block + 2 + i % kQ8Items));
  }
  return values;
}

/// One block: the step that maps the largest magnitude to 127, then the rounded multiples of it.
void write_q8_block(std::span<const float> values, ByteWriter& out) {
  float largest = 0;
  for (const float v : values) largest = std::max(largest, std::fabs(v));
  const float step = largest / 127.0f;
  const float inverse = step > 0 ? 1.0f / step : 0.0f;
  out.write(float_to_half(step));
  for (const float v : values) {
    out.write(static_cast<std::int8_t>(std::clamp(std::round(v * inverse), -127.0f, 127.0f)));
  }
}

}  // namespace

const GgmlType* find_ggml_type(std::uint32_t number) {
  const auto found = std::find_if(kTypes.begin(), kTypes.end(),
                                  [&](const GgmlType& type) { return type.number == number; });
  return found == kTypes.end() ? nullptr : &*found;
}

std::uint32_t ggml_number(TensorType type) {
  switch (type) {
    case TensorType::F16:
      return kF16;
    case TensorType::BF16:
      return kBf16;
    case TensorType::Q8:
      return kQ8;
    case TensorType::F32:
      break;
  }
  return kF32;
}

bool is_readable(std::uint32_t number) {
  return number == kF32 || number == kF16 || number == kBf16 || number == kQ8;
}

std::vector<float> decode_floats(std::uint32_t number, std::span<const std::byte> bytes) {
  if (number == kF16) return from_halves(bytes, half_to_float);
  if (number == kBf16) return from_halves(bytes, bfloat_to_float);
  if (number == kQ8) return from_q8(bytes);
  std::vector<float> values(bytes.size() / sizeof(float));
  if (!values.empty()) std::memcpy(values.data(), bytes.data(), values.size() * sizeof(float));
  return values;
}

std::vector<std::byte> encode_floats(TensorType type, std::span<const float> values) {
  ByteWriter out;
  out.bytes().reserve(values.size() * sizeof(float));
  switch (type) {
    case TensorType::F32:
      out.append(std::as_bytes(values));
      break;
    case TensorType::F16:
      for (const float v : values) out.write(float_to_half(v));
      break;
    case TensorType::BF16:
      for (const float v : values) out.write(float_to_bfloat(v));
      break;
    case TensorType::Q8:
      for (std::size_t i = 0; i + kQ8Items <= values.size(); i += kQ8Items) {
        write_q8_block(values.subspan(i, kQ8Items), out);
      }
      break;
  }
  return std::move(out.bytes());
}

}  // namespace crayon
