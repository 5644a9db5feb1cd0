// Attention among the tokens of each item, with its gradient written by hand. Letters as in
// network.h; H heads, Hk key-value heads, c width of a head, L tokens of the longest item.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <memory>
#include <vector>

namespace crayon {

/// What attention needs beside q, k and v, made once for a batch; shared with the backward pass.
struct AttentionPlan {
  std::int64_t heads = 0, kv_heads = 0, width = 0;
  bool half_split = false;            ///< See NetworkConfig::half_split_rope.
  torch::Tensor cos, sin;             ///< f32 [T, 1, c / 2]
  std::vector<std::int64_t> lengths;  ///< [B]
  /// B of f32 [t, t] in the host's memory, added to the scores; on a GPU pad_items() is a must.
  std::vector<torch::Tensor> masks;
  torch::Tensor slots;   ///< int64 [B L] token at each place of the padded items; see pad_items()
  torch::Tensor places;  ///< int64 [T] where each token stands among the padded ones
  torch::Tensor padded_mask;  ///< f32 [B, 1, L, L]
};

/// Has all items of the batch computed at once, each padded to the longest, in place of one after
/// the other without padding: a GPU takes much longer to begin a product than for a small one.
/// @param device  where the queries will be
void pad_items(AttentionPlan& plan, torch::Device device);

/// Rotates pairs of columns by the angles of their positions (rotary embedding), or back.
/// @param x  f32 [T, heads, c]
[[nodiscard]] torch::Tensor rotate(const torch::Tensor& x, const AttentionPlan& plan, bool back);

/// Softmax attention inside each item, in f32.
/// @param qkv  [T, (H + 2 Hk) c], queries, keys and values before rotation
/// @returns [T, H c] in the type of qkv
[[nodiscard]] torch::Tensor tree_attention(const torch::Tensor& qkv,
                                           const std::shared_ptr<const AttentionPlan>& plan);

}  // namespace crayon
