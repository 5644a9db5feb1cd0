// Blends LoRA adapters: always the sum of the products, never of A and B apart.
// Target: delta = sum_i w_i scale_i B_i A_i.  R is the sum of the ranks of the parts.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "crayon/adapter/adapter.h"

namespace crayon {

enum class BlendMode {
  Exact,    ///< Stacks the factors; the rank of the result is R. Parts of weight 0 are left out.
  LowRank,  ///< Best approximation at BlendOptions::rank in Frobenius norm (truncated SVD).
};

/// "exact", "lowrank". @throws Error InvalidArgument  another name, with the known ones
[[nodiscard]] BlendMode parse_blend_mode(const std::string& name);
[[nodiscard]] std::string to_string(BlendMode mode);

struct BlendOptions {
  BlendMode mode = BlendMode::Exact;
  int rank = 16;  ///< Rank of the result, at least 1. Read in mode LowRank only.
};

/// One adapter and its share in a blend; borrows the adapter during the call.
struct BlendPart {
  const Adapter& adapter;
  float weight;  ///< Any finite number; the weights need not sum to 1.
};

struct TensorError {
  std::string name;
  double relative_error = 0;  ///< ||blend - target||_F / ||target||_F; 0 when the target is 0.
};

struct Blend {
  Adapter adapter;                  ///< One adapter; scale 1 in every tensor.
  double relative_error = 0;        ///< Over all tensors together, computed from the cores.
  std::vector<TensorError> errors;  ///< One a tensor, in the adapter's order.
};

/// Returns one adapter whose delta is the weighted sum of the parts' deltas.
///
/// A tensor that a part lacks counts as zero. The result owns its tensors. Costs
/// O((d_in + d_out) * R^2) per tensor: delta itself is never formed. Safe from several threads.
///
/// @throws Error InvalidArgument  no parts, a weight that is not finite, or rank < 1
/// @throws Error Incompatible     parts made for different base models, or of different shapes
[[nodiscard]] Blend blend(std::span<const BlendPart> parts, const BlendOptions& options = {});

/// The same for adapters that stay and weights that change: the QR factors, which do not depend on
/// the weights, are made once (at the first low-rank blend) and kept. Not thread-safe.
class Blender {
 public:
  /// Takes the adapters. @throws as blend()
  explicit Blender(std::vector<Adapter> adapters);
  ~Blender();
  Blender(Blender&&) noexcept;
  Blender& operator=(Blender&&) noexcept;

  /// @param weights  one finite number for each adapter
  /// @throws Error InvalidArgument  as blend(), or another number of weights than of adapters
  [[nodiscard]] Blend blend(std::span<const float> weights, const BlendOptions& options = {});
  [[nodiscard]] const std::vector<Adapter>& adapters() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace crayon
