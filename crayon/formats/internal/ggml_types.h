// ggml's number types: their sizes, and the contents of those that Crayon reads and writes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "crayon/formats/gguf.h"

namespace crayon {

inline constexpr std::size_t kQ8Items = 32;  ///< Numbers in a block of Q8_0.

/// Numbers are stored in blocks of `block_items`, each of `block_bytes`.
struct GgmlType {
  std::uint32_t number;
  std::string_view name;
  std::uint32_t block_items;
  std::uint32_t block_bytes;
};

/// Null for a number that ggml does not use (or no longer).
[[nodiscard]] const GgmlType* find_ggml_type(std::uint32_t number);

/// ggml's number of a type that we write.
[[nodiscard]] std::uint32_t ggml_number(TensorType type);

/// Can the contents be turned into floats here?
[[nodiscard]] bool is_readable(std::uint32_t number);
/// @param bytes  whole blocks of a readable type
[[nodiscard]] std::vector<float> decode_floats(std::uint32_t number,
                                               std::span<const std::byte> bytes);
/// @param values  whole blocks: for Q8_0 a multiple of 32
[[nodiscard]] std::vector<std::byte> encode_floats(TensorType type, std::span<const float> values);

}  // namespace crayon
