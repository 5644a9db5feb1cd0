// The base model in libtorch, frozen, for training adapters: weights dequantised from the GGUF that
// inference runs, in the GGUF's own row order. Letters: T tokens of a batch, d width of the
// residual stream, B items, C choices, V vocabulary. Weights are [d_out, d_in].
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "crayon/engine/engine.h"
#include "crayon/trainer/internal/lora.h"
#include "crayon/trainer/internal/number_type.h"
#include "crayon/trainer/internal/tree_batch.h"

namespace crayon {

struct NetworkConfig {
  std::string architecture;  ///< "llama" or "qwen2"
  int n_layers = 0;
  int d_model = 0;
  int n_heads = 0;
  int n_kv_heads = 0;
  int d_head = 0;
  int d_ff = 0;
  int n_vocab = 0;
  double rope_freq_base = 10000;
  double rms_eps = 1e-5;
  bool half_split_rope =
      false;  ///< Pairs (i, i + d_head/2), as qwen2; else (2i, 2i + 1), as llama.
};

/// @throws Error Unsupported  an architecture, rope scaling or head size that the trainer lacks
[[nodiscard]] NetworkConfig network_config(const Model& model);

struct NetworkOptions {
  NumberType type = NumberType::F32;
  torch::Device device = torch::kCPU;
  int n_layers = -1;  ///< Layers to read from the start; -1 all. For tests of the trunk alone.
};

/// The adapters of one forward pass; borrows both.
struct Adapters {
  const WideLora& lora;
  const torch::Tensor& weights;  ///< f32 [N]; may carry a gradient (the gate's).
  float shared = 1;              ///< Weight of the shared adapter, if there is one.
};

/// Thread-safe for reading: nothing in it changes after construction.
class Network {
 public:
  /// Reads all weights. @throws Error Unsupported, NotFound, CorruptFile (a shape), each with names
  explicit Network(const Model& model, const NetworkOptions& options = {});
  ~Network();
  Network(Network&&) noexcept;
  Network& operator=(Network&&) noexcept;

  [[nodiscard]] const NetworkConfig& config() const;
  [[nodiscard]] NumberType type() const;
  [[nodiscard]] torch::Device device() const;

  /// The residual stream where block `end_layer` begins, of the base alone and without gradients:
  /// f32 [T, d], item after item as in the batch. What a cache keeps (f16 is enough).
  [[nodiscard]] torch::Tensor trunk(const TreeBatch& batch, int end_layer) const;

  /// Blocks `first_layer` to the last and the output norm: f32 [T, d]. With adapters, gradients
  /// flow to A, B and the weights; blocks of adapters below `first_layer` are not run.
  [[nodiscard]] torch::Tensor crown(const torch::Tensor& hidden, const TreeBatch& batch,
                                    int first_layer, const Adapters* adapters = nullptr) const;

  /// Log-probs of the scored tokens, f32 [S], from crown()'s result.
  [[nodiscard]] torch::Tensor token_log_probs(const torch::Tensor& final_hidden,
                                              const TreeBatch& batch) const;

  /// Mean log-prob of each choice's scored tokens, f32 [B, C]; -inf where there is no choice.
  [[nodiscard]] torch::Tensor choice_scores(const torch::Tensor& final_hidden,
                                            const TreeBatch& batch) const;

  /// Logits of one sequence, f32 [T, V], without gradients: for parity tests and perplexity.
  [[nodiscard]] torch::Tensor logits(std::span<const int> tokens,
                                     const Adapters* adapters = nullptr) const;

 private:
  struct Weights;
  std::unique_ptr<Weights> weights_;
};

}  // namespace crayon
