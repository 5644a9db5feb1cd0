// Runs the program `llama_only`, which knows llama.cpp and nothing of Crayon, and returns its
// logits.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace crayon {

struct LlamaOnlyRun {
  std::filesystem::path model;
  std::filesystem::path task{};  ///< LoRA file, or "" for none.
  int threads = 1;
  int context_tokens = 512;
};

/// Logits of all positions, one row of n_vocab a token, as one list.
/// @throws std::runtime_error  the program failed
[[nodiscard]] std::vector<float> llama_only_logits(const LlamaOnlyRun& run,
                                                   std::span<const int> tokens);

/// Largest absolute difference; infinity when the sizes differ.
[[nodiscard]] float largest_difference(std::span<const float> a, std::span<const float> b);

}  // namespace crayon
