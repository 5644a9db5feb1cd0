// LoraHub (Huang et al. 2023, arXiv 2307.13269): weights for a pool of adapters from a few
// examples, found by trying; a rival of the gate. It composes A and B apart, so each adapter's own
// part of the delta is weighed by the square of its weight, and cross terms B_i A_j come in:
//   delta = (sum_i w_i sqrt(s_i) B_i) (sum_i w_i sqrt(s_i) A_i)
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <vector>

#include "crayon/adapter/blend.h"

namespace crayon {

/// The adapter that LoraHub's weights mean; scale 1 in every tensor. The original takes the scale
/// of the first adapter for all: where all scales are the same, this is the same.
///
/// @throws Error InvalidArgument  no parts, a weight that is not finite, or a result beyond float32
/// @throws Error Incompatible     another base model, shape or rank of the same tensor
[[nodiscard]] Adapter lorahub_compose(std::span<const BlendPart> parts);

struct LoraHubOptions {
  std::size_t budget = 40;  ///< Evaluations of the loss, at least 1.
  double bound = 1.5;       ///< Weights lie in [-bound, bound]; above 0.
  double l1 = 0.05;         ///< Times the mean of |w|, added to the loss; not negative.
};

struct LoraHubResult {
  std::vector<float> weights;   ///< [n], the best that were tried
  double loss = 0;              ///< There, without the penalty.
  double objective = 0;         ///< loss + penalty, the least of all that were tried.
  std::size_t evaluations = 0;  ///< The budget.
};

/// l1 times the mean of |w|, as in LoraHub's program (its paper writes the sum).
[[nodiscard]] double lorahub_penalty(std::span<const float> weights, double l1);

/// Minimises loss(w) + penalty from w = 0 without derivatives.
///
/// The search is what nevergrad's NGOpt, which LoraHub calls, picks for n numbers within bounds and
/// a budget below 200 n: COBYLA with first steps of bound / 3, which does not know of the bounds; a
/// weight beyond one is mirrored back at it. When it ends before the budget, it begins anew from
/// the best point. It draws nothing at random: the same loss gives the same weights.
///
/// LoraHub's program divides the mean loss of its batch once more by the number of examples; a
/// `loss` that is to weigh against the penalty as there must do so too.
///
/// @param n     number of weights, at least 1
/// @param loss  of n weights; what is not a number, or above 1e30, counts as 1e30
/// @throws Error InvalidArgument  n or the budget 0, a bound or l1 out of range; what `loss` throws
[[nodiscard]] LoraHubResult lorahub_search(
    std::size_t n, const std::function<double(std::span<const float>)>& loss,
    const LoraHubOptions& options = {});

}  // namespace crayon
