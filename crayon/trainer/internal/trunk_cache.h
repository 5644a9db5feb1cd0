// What the frozen lower layers give for each item, computed once and kept while memory allows.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "crayon/base/matrix.h"
#include "crayon/trainer/internal/data.h"
#include "crayon/trainer/internal/network.h"

namespace crayon {

/// Items of one batch with all that the upper layers and the gate need of them.
struct ItemBatch {
  TreeBatch tree;
  torch::Tensor hidden;  ///< f32 [T, d]: the residual stream where the adapters begin.
  Matrix h;              ///< [B, d] embeddings of the prompts, not whitened.
};

struct TrunkCacheOptions {
  int first_layer = 0;
  EmbeddingSpec embedding;
  std::uint64_t bytes = 0;  ///< For the trunk's outputs, 2 d bytes a token.
  int batch_tokens = 2048;  ///< Of a pass in embed().
};

/// Outputs are kept as f16 and always rounded to it, so a run does not depend on what was kept.
/// An item is known by its id. Not thread-safe.
class TrunkCache {
 public:
  /// @param network  borrowed  @param n_items  ids are below it
  TrunkCache(const Network& network, const TrunkCacheOptions& options, std::size_t n_items);

  /// @throws Error InvalidArgument  no items
  [[nodiscard]] ItemBatch get(std::span<const TrainItem* const> items);
  /// Embeddings [n, d] of many items, in passes of batch_tokens. `on_done(i)` after each pass.
  [[nodiscard]] Matrix embed(std::span<const TrainItem* const> items,
                             const std::function<void(std::size_t)>& on_done = {});
  /// d, numbers of an embedding.
  [[nodiscard]] std::size_t embedding_dims() const;

 private:
  struct Entry {
    torch::Tensor hidden;  ///< f16 [t, d], or undefined.
    std::vector<float> h;  ///< [d], or empty.
  };
  void run(std::span<const TrainItem* const> missing, std::vector<torch::Tensor>& outputs);
  void pool(const torch::Tensor& states, const TreeBatch& batch,
            std::span<const TrainItem* const> items);

  const Network& network_;
  TrunkCacheOptions options_;
  std::vector<Entry> entries_;
  std::uint64_t bytes_ = 0;
};

/// Borrowed items cut into runs of at most `most` tokens, in their order.
[[nodiscard]] std::vector<std::vector<const TrainItem*>> cut_by_tokens(
    std::span<const TrainItem* const> items, int most);

}  // namespace crayon
