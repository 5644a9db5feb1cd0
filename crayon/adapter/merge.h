// How others merge adapters: the factors A and B are summed apart, so the result keeps the rank but
// holds cross terms B_i A_j and is not the weighted sum of the deltas. Rivals of blend(), kept to
// measure against; the formulas are those of PEFT 0.20, whose names they bear. w_i are the weights,
// s_i the parts' scales; the signs of negative w_i s_i go to A:
//   A = sum_i sign(w_i s_i) sqrt|w_i s_i| A_i      B = sum_i sqrt|w_i s_i| B_i      scale 1
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

#include "crayon/adapter/blend.h"

namespace crayon {

/// "linear": the sums above. A tensor that a part lacks counts as zero.
///
/// @throws Error InvalidArgument  no parts, a weight that is not finite, or a result beyond float32
/// @throws Error Incompatible     another base model, shape or rank of the same tensor
[[nodiscard]] Adapter merge_linear(std::span<const BlendPart> parts);

/// How TIES elects the sign of one entry, from the parts' trimmed entries without their weights.
enum class SignElection {
  Total,      ///< The sign of their sum.
  Frequency,  ///< The sign that more of them have.
};

struct TiesOptions {
  double density = 0.5;  ///< Share of the largest entries that each matrix keeps, in (0, 1].
  SignElection sign = SignElection::Total;
};

/// "ties" (Yadav et al. 2023) on A and on B apart: each part's matrix keeps its floor(density n)
/// largest entries; an entry of the result is the mean of w t over the parts whose entry t has the
/// elected sign (a tie elects plus; entries of 0 have no vote), 0 where there is none.
///
/// @throws Error  as merge_linear(); InvalidArgument for a density outside (0, 1]
[[nodiscard]] Adapter merge_ties(std::span<const BlendPart> parts, const TiesOptions& options = {});

/// Says of the next entry whether DARE keeps it. Asked tensor by tensor in order of their names:
/// first all of A, part by part and row by row, then all of B the same way.
using KeepEntry = std::function<bool()>;

/// Keeps each entry with probability `density`, independently; the same seed keeps the same ones.
[[nodiscard]] KeepEntry random_keep(double density, std::uint64_t seed);

/// "dare_linear" (Yu et al. 2024) on A and on B apart: entries that are not kept become 0, the
/// others are divided by `density`, and the sums above follow. Density 1 asks nothing and equals
/// merge_linear(); at each density the result's A and B have those sums as their expectation.
///
/// @throws Error  as merge_linear(); InvalidArgument for a density outside (0, 1]
[[nodiscard]] Adapter merge_dare(std::span<const BlendPart> parts, double density,
                                 const KeepEntry& keep);

}  // namespace crayon
