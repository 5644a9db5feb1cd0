// The pool in training: N adapters side by side as one wide gated LoRA, behind a shared adapter
// where the pool has one.
//   A_cat [R, d_in]   B_cat [d_out, R]   R = r_s + N r: the shared adapter's r_s, then adapter i's
//   r y = W x + B_cat (diag(gain) (A_cat x)), gain = shared scale, then w expanded over r times
//   scale
// Matrices with the same input share one A tensor: attn_q, attn_k, attn_v and ffn_gate, ffn_up.
#pragma once

#include <torch/types.h>

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "crayon/adapter/adapter.h"
#include "crayon/trainer/internal/number_type.h"

namespace crayon {

struct NetworkConfig;

/// Matrices of a block that read the same input.
struct MatrixGroup {
  std::vector<std::string> kinds;   ///< "attn_q", ...
  std::vector<std::int64_t> d_out;  ///< One a kind.
  std::int64_t d_in = 0;
};
inline constexpr int kMatrixGroups = 4;
/// {q, k, v}, {output}, {gate, up}, {down}.
[[nodiscard]] std::array<MatrixGroup, kMatrixGroups> matrix_groups(const NetworkConfig& config);

struct WideLoraOptions {
  int n_adapters = 8;
  int rank = 4;         ///< Of each adapter.
  int first_layer = 0;  ///< Layers from here up are adapted.
  float scale = 1.0f;   ///< alpha / r (rsLoRA: alpha / sqrt r), times a folded factor such as N.
  int shared_rank = 0;  ///< Of the shared adapter, whose scale is 1; 0: none.
  std::uint64_t seed = 1;
};

/// One of the tensors that are trained (not NamedTensor: that is a safetensors one, in formats).
struct TrainedTensor {
  std::string
      name;  ///< "blk.15.attn_qkv.a", "blk.15.attn_q.b"; the shared adapter's: "shared.blk..."
  torch::Tensor tensor;
  bool shared = false;  ///< Of the shared adapter.
};

/// The wide LoRA's tensors of one group; A and B in the number type of a forward pass.
struct GroupFactors {
  torch::Tensor a;               ///< [kinds * R, d_in]
  std::vector<torch::Tensor> b;  ///< One a kind, [d_out, R]
  torch::Tensor gain;            ///< f32 [kinds * R]
};

class WideLora {
 public:
  /// A uniform in +-1/sqrt(d_in), as LoRA's Kaiming start; B zero.
  /// @throws Error InvalidArgument  no adapters, rank < 1, first_layer not a layer
  WideLora(const NetworkConfig& config, const WideLoraOptions& options,
           torch::Device device = torch::kCPU);

  /// Adapters that exist, padded to their largest rank; their scales go into B, scale is 1.
  /// @throws Error Incompatible  a tensor that the base has not, or of another shape; names both
  WideLora(const NetworkConfig& config, std::span<const Adapter> adapters,
           torch::Device device = torch::kCPU);

  [[nodiscard]] const WideLoraOptions& options() const { return options_; }

  /// All that is trained, f32 leaves that require a gradient, in a fixed order. The tensors are
  /// shared: writing their data under NoGradGuard is how an optimizer or a checkpoint sets them.
  [[nodiscard]] std::vector<TrainedTensor> parameters() const;

  /// The gain, f32 [R], from weights f32 [N]; carries the gradient to w. Undefined weights stand
  /// for the shared adapter alone: [r_s], and factors() then leaves the others out.
  /// @param shared  its weight
  [[nodiscard]] torch::Tensor gain(const torch::Tensor& weights, float shared = 1) const;

  /// @param gain  of gain(), once for all layers
  [[nodiscard]] GroupFactors factors(int layer, int group, const torch::Tensor& gain,
                                     NumberType type) const;

  /// Adapter i with 0 <= i < N; its scale holds options().scale, so that exported adapters summed
  /// with weights w are this LoRA at w.
  [[nodiscard]] Adapter export_adapter(int i, const std::string& base_id) const;
  /// The shared adapter. Only where there is one.
  [[nodiscard]] Adapter export_shared(const std::string& base_id) const;

  /// Sets the shared adapter, padded to its rank here; its scales go into B.
  /// @throws Error Incompatible  as the constructor from adapters; below the first layer
  void set_shared(const NetworkConfig& config, const Adapter& adapter);
  /// A frozen shared adapter is used but gets no gradient.
  void freeze_shared(bool frozen) { shared_frozen_ = frozen; }

  /// Mean squared cosine between the deltas B_i A_i of different adapters, over all matrices, from
  /// r x r products (ours). 0 while B is zero.
  [[nodiscard]] torch::Tensor overlap() const;

 private:
  /// A [kinds * rank, d_in] and a B [d_out, rank] for each kind.
  struct Pair {
    torch::Tensor a;
    std::vector<torch::Tensor> b;
  };
  struct Group {
    std::vector<std::string> kinds;
    Pair own;
    Pair shared;  ///< Undefined, empty without one.
  };
  [[nodiscard]] GroupFactors shared_factors(const Group& group, const torch::Tensor& gain,
                                            NumberType type) const;
  /// Rows first to first + rank of each kind, as an adapter.
  [[nodiscard]] Adapter cut_out(const std::string& base_id, bool shared, std::int64_t first,
                                std::int64_t rank) const;
  [[nodiscard]] const Group& group(int layer, int index) const;
  void add_groups(const NetworkConfig& config, torch::Device device);
  /// Writes a tensor of an adapter into columns first and up of its pair.
  void load(const NetworkConfig& config, bool shared, std::int64_t first, const LoraTensor& tensor);

  WideLoraOptions options_;
  bool shared_frozen_ = false;
  std::vector<Group> groups_;  ///< kMatrixGroups for each layer from first_layer up.
};

}  // namespace crayon
