// The tensors of several adapters, side by side: for each weight of the base, who changes it.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "crayon/adapter/adapter.h"

namespace crayon::internal {

/// One adapter's change of a weight; borrows the tensor.
struct Member {
  std::size_t part = 0;                ///< Index of the adapter among those that are blended.
  const LoraTensor* tensor = nullptr;  ///< Never null.
};

/// All changes of one weight [d_out, d_in].
struct TensorGroup {
  std::string name;
  std::size_t d_out = 0;
  std::size_t d_in = 0;
  std::vector<Member> members;  ///< In the order of the parts, at least one.

  [[nodiscard]] std::size_t rank() const;  ///< Sum of the members' ranks.
};

/// Groups sorted by name. The adapters must have passed check_adapter and outlive the result.
/// @throws Error Incompatible  another base, or another shape of the same weight; names both
[[nodiscard]] std::vector<TensorGroup> group_tensors(std::span<const Adapter* const> adapters);

/// The members' factors in one: A_cat [R, d_in] and B_cat [d_out, R], B's columns times `factors`,
/// one for each member. A member whose factor is 0 is left out; at least rank 1 (then of zeros).
struct Stacked {
  Matrix a;
  Matrix b;
};
[[nodiscard]] Stacked stack(const TensorGroup& group, std::span<const float> factors);

}  // namespace crayon::internal
