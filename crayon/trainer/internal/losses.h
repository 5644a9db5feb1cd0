// What training minimises, each a scalar f32 tensor. Our own choices; docs/design says why.
#pragma once

#include <torch/types.h>

namespace crayon {

/// Cross-entropy over the choices' scores: the mean over items with a known answer of
/// -log softmax(score_scale * scores)[answer]. 0 when no item has one.
/// @param scores  f32 [B, C], -inf where there is no choice
/// @param answers  int64 [B], -1 where not known
[[nodiscard]] torch::Tensor listwise_loss(const torch::Tensor& scores, const torch::Tensor& answers,
                                          double score_scale = 1.0);

/// The answer's own negative mean log-prob, mean over items with a known answer.
[[nodiscard]] torch::Tensor answer_loss(const torch::Tensor& scores, const torch::Tensor& answers);

/// KL(g || uniform) of the gate's mean over the mixture, [N]: 0 when all adapters are used alike.
[[nodiscard]] torch::Tensor balance_loss(const torch::Tensor& mean_gate);

/// Mean squared cosine of different keys [N, m]; 0 for one key. WideLora::overlap() is the same
/// for adapters.
[[nodiscard]] torch::Tensor key_overlap(const torch::Tensor& keys);

}  // namespace crayon
