// Random adapters, tiny random GGUF models and pools of them, written by the tests themselves.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "crayon/adapter/adapter.h"

namespace crayon {

struct RandomAdapterOptions {
  std::size_t d_out = 4, d_in = 4, rank = 2;
  std::uint64_t seed = 1;
  std::string base_id = "tiny";
  std::vector<std::string> tensors = {"blk.0.attn_q.weight"};
  float scale = 1.0f;
};
[[nodiscard]] Adapter random_adapter(const RandomAdapterOptions& options);

/// A tiny random model that llama.cpp loads: F32, byte-level BPE vocabulary of `n_vocab` tokens.
struct RandomModelOptions {
  std::string architecture = "llama";  ///< or "qwen2"
  int n_layers = 3, d_model = 64, n_heads = 4, n_kv_heads = 2, d_ff = 96, n_vocab = 320;
  int context = 256;
  bool tied = true;   ///< No output.weight.
  std::uint64_t seed = 1;
};
void write_random_model(const std::filesystem::path& file, const RandomModelOptions& options = {});

/// An adapter for all seven matrices of the layers from `first_layer` up of such a model.
[[nodiscard]] Adapter random_model_adapter(const RandomModelOptions& model, int first_layer,
                                           std::size_t rank, std::uint64_t seed);

/// A folder that is removed when this goes.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace crayon
