#include "crayon/trainer/internal/losses.h"

#include <torch/torch.h>

#include <cmath>
#include <limits>

namespace crayon {
namespace {

// The mean of `values` [B, C] at the answers, over the items that have one.
torch::Tensor mean_at_answers(const torch::Tensor& values, const torch::Tensor& answers) {
  const torch::Tensor rows = (answers >= 0).nonzero().squeeze(1);
  if (rows.numel() == 0) return torch::zeros({}, values.options());
  const torch::Tensor known = answers.index_select(0, rows).unsqueeze(1);
  return values.index_select(0, rows).gather(1, known).mean();
}

}  // namespace

torch::Tensor listwise_loss(const torch::Tensor& scores, const torch::Tensor& answers,
                            double score_scale) {
  return -mean_at_answers(torch::log_softmax(scores * score_scale, 1), answers);
}

torch::Tensor answer_loss(const torch::Tensor& scores, const torch::Tensor& answers) {
  return -mean_at_answers(scores, answers);
}

torch::Tensor balance_loss(const torch::Tensor& mean_gate) {
  const torch::Tensor safe = mean_gate.clamp_min(std::numeric_limits<float>::min());
  return (mean_gate * safe.log()).sum() + std::log(static_cast<double>(mean_gate.size(0)));
}

torch::Tensor key_overlap(const torch::Tensor& keys) {
  const std::int64_t n = keys.size(0);
  if (n < 2) return torch::zeros({}, keys.options());
  const torch::Tensor unit = keys / keys.norm(2, 1, true).clamp_min(1e-12);
  const torch::Tensor cosines = unit.mm(unit.t());
  const torch::Tensor off = cosines - torch::eye(n, keys.options());
  return off.square().sum() / static_cast<double>(n * (n - 1));
}

}  // namespace crayon
