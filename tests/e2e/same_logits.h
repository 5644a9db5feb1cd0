// Runs the program `llama_only`, which knows llama.cpp and nothing of Crayon, and compares logits.
#pragma once

#include <filesystem>
#include <span>
#include <vector>

#include "crayon/base/matrix.h"

namespace crayon {

struct ScaledLora {
  std::filesystem::path file;
  float scale = 1;
};

struct LlamaOnlyRun {
  std::filesystem::path model;
  std::vector<ScaledLora> loras{};  ///< Added up by llama.cpp at run time.
  int threads = 1;
  int context_tokens = 512;
};

/// Logits of all positions, one row of n_vocab a token, as one list.
/// @throws std::runtime_error  the program failed
[[nodiscard]] std::vector<float> llama_only_logits(const LlamaOnlyRun& run,
                                                   std::span<const int> tokens);

/// Writes a copy of a model with its weights as F16.
/// @throws std::runtime_error  the program failed
void write_f16_copy(const std::filesystem::path& model, const std::filesystem::path& out);

/// Largest absolute difference; infinity when the sizes differ.
[[nodiscard]] float largest_difference(std::span<const float> a, std::span<const float> b);

/// Mean over the rows of KL(p || q) in nats, p and q the softmax of a row's logits; infinity when
/// the sizes differ.
[[nodiscard]] double mean_kl(const Matrix& p, std::span<const float> q);

}  // namespace crayon
