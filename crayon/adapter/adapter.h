// A LoRA adapter as numbers: no file, no model. Tensors are row-major float32; letters of this
// part:
//   A [r, d_in]    B [d_out, r]    delta [d_out, d_in] = scale * B * A,   scale = alpha / r
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "crayon/base/matrix.h"

namespace crayon {

/// The low-rank change of one weight matrix of the base model.
struct LoraTensor {
  std::string name;    ///< The base's weight in GGUF naming: "blk.3.attn_q.weight".
  Matrix a;            ///< [r, d_in]
  Matrix b;            ///< [d_out, r]
  float scale = 1.0f;  ///< alpha / r (rsLoRA: alpha / sqrt r).

  [[nodiscard]] std::size_t rank() const { return a.rows; }
};

struct Adapter {
  std::string base_id;              ///< Which base model it belongs to (BaseModel::id()).
  std::vector<LoraTensor> tensors;  ///< Sorted by name, each name once.
};

/// Largest rank of its tensors; 0 when it has none.
[[nodiscard]] std::size_t max_rank(const Adapter& adapter);

/// The layer of a weight in GGUF naming: 7 for "blk.7.attn_q.weight"; none where there is no such
/// number.
[[nodiscard]] std::optional<int> layer_of(std::string_view tensor);

/// The lowest layer that it changes; -1 where it also changes what is in no layer, as the token
/// embeddings are; the largest int where it changes nothing.
[[nodiscard]] int lowest_layer(const Adapter& adapter);

/// @throws Error InvalidArgument  unsorted or repeated names, A and B that do not match, numbers
///                                that are not finite; names the tensor and both shapes
void check_adapter(const Adapter& adapter);

}  // namespace crayon
