// What identifies a base model, and whether two of them fit each other.
#pragma once

#include <cstdint>
#include <string>

namespace crayon {

struct BaseModel {
  std::string architecture;  ///< "llama", "qwen2": general.architecture of its GGUF.
  std::string name;          ///< general.name, or the file's name.
  std::string sha256;        ///< Of the GGUF file; "" when not computed.
  int n_layers = 0;
  int d_model = 0;
  int n_heads = 0;
  int n_kv_heads = 0;
  int d_ff = 0;
  int n_vocab = 0;
  std::string vocab_sha256;  ///< Over the tokens' texts, each followed by a zero byte.

  /// What adapters are tied to: architecture, shapes and vocabulary, not the quantisation.
  /// Example: "llama-30x576-h9.3-ff1536-v49152-1a2b3c4d".
  [[nodiscard]] std::string id() const;
};

enum class BaseFit {
  Same,         ///< The same file.
  Requantised,  ///< Same architecture, shapes and vocabulary: warn, calibration is approximate.
};

/// @throws Error Incompatible  they differ in more; the message names both and what differs.
/// @param wanted_by  what asks for `wanted`, for the message: "pool 'pools/smollm2-135m'"
[[nodiscard]] BaseFit check_base(const BaseModel& wanted, const BaseModel& found,
                                 const std::string& wanted_by);

}  // namespace crayon
