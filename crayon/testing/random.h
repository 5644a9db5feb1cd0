// Random adapters, tiny random GGUF models and pools of them, written by the tests themselves.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "crayon/adapter/blend.h"

namespace crayon {

struct RandomAdapterOptions {
  std::size_t d_out = 4, d_in = 4, rank = 2;
  std::uint64_t seed = 1;
  std::string base_id = "tiny";
  std::vector<std::string> tensors = {"blk.0.attn_q.weight"};
  float scale = 1.0f;
};
[[nodiscard]] Adapter random_adapter(const RandomAdapterOptions& options);

/// A tiny random model that llama.cpp loads: F32, chat template chatml, byte-level BPE vocabulary:
/// ids 0 to 255 the bytes in GPT-2's order, then "Ġa" and the like, a few merges, and at the end
/// <|endoftext|>, <|im_start|> and <|im_end|> (EOS). No BOS unless asked for.
struct RandomModelOptions {
  std::string architecture = "llama";  ///< or "qwen2"
  int n_layers = 3, d_model = 64, n_heads = 4, n_kv_heads = 2, d_ff = 96, n_vocab = 320;
  int context = 256;
  bool tied = true;  ///< No output.weight.
  bool bos = false;  ///< Prompts begin with <|endoftext|>.
  std::uint64_t seed = 1;
  /// Further keys, which replace the model's own; whole numbers become GGUF uint32.
  std::map<std::string, std::variant<std::uint32_t, float, std::string>> keys = {};
};
/// @param merged  adapters that are added to the weights: W + sum_i w_i scale_i B_i A_i, an oracle
///                for adapters that are set at run time
void write_random_model(const std::filesystem::path& file, const RandomModelOptions& options = {},
                        std::span<const BlendPart> merged = {});

/// An adapter for all seven matrices of the layers from `first_layer` up of such a model.
[[nodiscard]] Adapter random_model_adapter(const RandomModelOptions& model, int first_layer,
                                           std::size_t rank, std::uint64_t seed);

/// A pool of n random adapters of rank 2 in the layers from 1 up of such a model, with a gate on
/// layer 1; the prompt is the question alone.
void write_random_pool(const std::filesystem::path& model, const std::filesystem::path& folder,
                       std::size_t n = 3, const RandomModelOptions& shape = {});

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
