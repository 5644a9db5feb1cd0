// safetensors files: named float tensors (F32 written; F32, F16, BF16, F64 read as float).
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace crayon {

struct NamedTensor {
  std::vector<std::uint64_t> shape;
  std::vector<float> data;
};
struct Safetensors {
  std::map<std::string, NamedTensor> tensors;
  std::map<std::string, std::string> metadata;  ///< __metadata__
};

/// Total: any bytes give a value or Error CorruptFile (file, tensor, found, expected). Duplicate
/// keys, overlapping or uncovered bytes and unknown dtypes (Unsupported) are refused.
[[nodiscard]] Safetensors read_safetensors(std::span<const std::byte> bytes,
                                           const std::string& file);
[[nodiscard]] std::vector<std::byte> write_safetensors(const Safetensors& file);

}  // namespace crayon
