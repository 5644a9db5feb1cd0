#include "crayon/trainer/internal/attention.h"

#include <gtest/gtest.h>
#include <torch/types.h>
#include <torch/utils.h>

#include <memory>
#include <vector>

#include "crayon/trainer/internal/tree_batch.h"

namespace crayon {
namespace {

using torch::Tensor;

// Of three lengths, with choices that share a beginning and choices that do not.
TreeBatch three_items() {
  const TokenizedChoices items[] = {
      {.prefix = {1, 5, 9, 3}, .branches = {{4, 8, 2}, {4, 8}, {6}}, .unscored = {0, 0, 0}},
      {.prefix = {2}, .branches = {{12, 13}, {15, 13}}, .unscored = {0, 0}},
      {.prefix = {2, 11}, .branches = {{12, 13, 14}, {15, 13}}, .unscored = {0, 0}}};
  const TreeItem trees[] = {{items[0], 0}, {items[1], 0}, {items[2], 0}};
  return collate(trees);
}

std::shared_ptr<AttentionPlan> plan_of(const TreeBatch& batch, bool half_split) {
  auto plan = std::make_shared<AttentionPlan>();
  plan->heads = 4;
  plan->kv_heads = 2;
  plan->width = 6;
  plan->half_split = half_split;
  const Tensor rates = torch::tensor({1.0f, 0.1f, 0.01f});
  const Tensor angles = batch.positions.to(torch::kFloat).outer(rates).unsqueeze(1);
  plan->cos = angles.cos();
  plan->sin = angles.sin();
  plan->lengths = batch.lengths;
  plan->masks = batch.masks;
  return plan;
}

struct Pass {
  Tensor out, grad;
};

Pass pass(const Tensor& qkv, const std::shared_ptr<const AttentionPlan>& plan) {
  const Tensor leaf = qkv.clone().requires_grad_();
  const Tensor out = tree_attention(leaf, plan);
  (out * torch::linspace(-1, 2, out.numel()).view_as(out)).sum().backward();
  return {out.detach(), leaf.grad()};
}

class AttentionOf : public ::testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(Rotary, AttentionOf, ::testing::Bool());

TEST_P(AttentionOf, PaddedItemsAtOnceGiveTheSameAsOneAfterTheOther) {
  const TreeBatch batch = three_items();
  torch::manual_seed(1);
  const Tensor qkv = torch::randn({batch.tokens.size(0), (4 + 2 + 2) * 6});
  const auto plain = plan_of(batch, GetParam()), padded = plan_of(batch, GetParam());
  pad_items(*padded, torch::kCPU);

  const Pass want = pass(qkv, plain), got = pass(qkv, padded);

  EXPECT_EQ(padded->padded_mask.size(2), batch.lengths[0]);
  EXPECT_LT((want.out - got.out).abs().max().item<double>(), 1e-5);
  EXPECT_LT((want.grad - got.grad).abs().max().item<double>(), 1e-5);
  EXPECT_GT(want.grad.abs().mean().item<double>(), 0.1);
}

TEST_P(AttentionOf, APaddedItemDoesNotDependOnWhatStandsInThePadding) {
  const TreeBatch batch = three_items();
  torch::manual_seed(2);
  Tensor qkv = torch::randn({batch.tokens.size(0), (4 + 2 + 2) * 6});
  const auto plan = plan_of(batch, GetParam());
  pad_items(*plan, torch::kCPU);
  const Tensor before = tree_attention(qkv, plan);

  qkv[0] *= 100;  // the padding repeats the first token

  const Tensor after = tree_attention(qkv, plan);
  const std::int64_t first = batch.lengths[0], rest = qkv.size(0) - first;
  EXPECT_TRUE(before.narrow(0, first, rest).equal(after.narrow(0, first, rest)));
  EXPECT_FALSE(before.narrow(0, 0, first).equal(after.narrow(0, 0, first)));
}

}  // namespace
}  // namespace crayon
