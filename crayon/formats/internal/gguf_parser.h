// The header of a GGUF file: bytes to metadata and checked tensor entries.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "crayon/formats/gguf.h"
#include "crayon/formats/internal/gguf_source.h"

namespace crayon {

/// GGUF's own numbers for the kinds of metadata values.
enum class GgufKind : std::uint32_t {
  U8 = 0,
  I8 = 1,
  U16 = 2,
  I16 = 3,
  U32 = 4,
  I32 = 5,
  F32 = 6,
  Bool = 7,
  String = 8,
  Array = 9,
  U64 = 10,
  I64 = 11,
  F64 = 12,
};

inline constexpr std::uint64_t kGgufAlignment = 32;  ///< Where general.alignment does not say.
inline constexpr std::size_t kMaxTensorName = 63;    ///< What ggml keeps of a tensor's name.

struct GgufHeader {
  std::map<std::string, GgufValue> metadata;
  std::vector<GgufTensor> tensors;
  std::uint64_t data_offset = 0;
};

/// @throws Error CorruptFile, Unsupported
[[nodiscard]] GgufHeader parse_gguf_header(GgufSource& source, const GgufLimits& limits);

}  // namespace crayon
