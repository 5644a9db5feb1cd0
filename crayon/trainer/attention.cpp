#include "crayon/trainer/internal/attention.h"

#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "crayon/trainer/internal/element_wise.h"

namespace crayon {
namespace {

using torch::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::Variable;
using torch::autograd::variable_list;

// Queries as [Hk, (H / Hk) t, c], keys and values as [Hk, t, c], so that heads that share keys are
// one product. Of all padded items at once: [B Hk, ...] with L for t.
struct Views {
  Tensor q, k, v;
};

double score_scale(const AttentionPlan& plan) {
  return 1.0 / std::sqrt(static_cast<double>(plan.width));
}

// With P = softmax(s q k^T + mask) and out = P v.
Views gradients(const Views& x, const Tensor& p, const Tensor& grad, const AttentionPlan& plan) {
  Tensor score_grad = at::bmm(grad, x.v.transpose(1, 2));
  softmax_backward_(score_grad, p, score_scale(plan));
  return {at::bmm(score_grad, x.k), at::bmm(score_grad.transpose(1, 2), x.q),
          at::bmm(p.transpose(1, 2), grad)};
}

// One item after the other.

Views item_views(const Tensor& rotated, const Tensor& values, const AttentionPlan& plan,
                 std::int64_t begin, std::int64_t length) {
  const Tensor rows = rotated.narrow(0, begin, length).transpose(0, 1).contiguous();
  const std::int64_t group = plan.heads / plan.kv_heads;
  return {rows.narrow(0, 0, plan.heads).view({plan.kv_heads, group * length, plan.width}),
          rows.narrow(0, plan.heads, plan.kv_heads),
          values.narrow(0, begin, length).transpose(0, 1)};
}

Tensor item_probabilities(const Views& item, const Tensor& mask, const AttentionPlan& plan) {
  Tensor scores = at::bmm(item.q, item.k.transpose(1, 2));
  masked_softmax_(scores, mask, score_scale(plan));
  return scores;
}

Tensor attend_items(const Tensor& rotated, const Tensor& values, const AttentionPlan& plan) {
  Tensor out = at::empty({rotated.size(0), plan.heads, plan.width}, values.options());
  std::int64_t begin = 0;
  for (std::size_t i = 0; i < plan.lengths.size(); ++i) {
    const std::int64_t t = plan.lengths[i];
    const Views item = item_views(rotated, values, plan, begin, t);
    const Tensor mixed = at::bmm(item_probabilities(item, plan.masks[i], plan), item.v);
    out.narrow(0, begin, t).copy_(mixed.view({plan.heads, t, plan.width}).transpose(0, 1));
    begin += t;
  }
  return out;
}

/// Fills the gradients of rotated queries and keys, and of values, from that of the output.
void attend_items_backward(const Tensor& rotated, const Tensor& values, const Tensor& grad,
                           const AttentionPlan& plan, Tensor& rotated_grad, Tensor& values_grad) {
  std::int64_t begin = 0;
  for (std::size_t i = 0; i < plan.lengths.size(); ++i) {
    const std::int64_t t = plan.lengths[i];
    const Views item = item_views(rotated, values, plan, begin, t);
    const Tensor item_grad = grad.narrow(0, begin, t).transpose(0, 1).reshape_as(item.q);
    const Tensor p = item_probabilities(item, plan.masks[i], plan);
    const Views got = gradients(item, p, item_grad, plan);
    Tensor rows = rotated_grad.narrow(0, begin, t);
    rows.narrow(1, 0, plan.heads).copy_(got.q.view({plan.heads, t, plan.width}).transpose(0, 1));
    rows.narrow(1, plan.heads, plan.kv_heads).copy_(got.k.transpose(0, 1));
    values_grad.narrow(0, begin, t).copy_(got.v.transpose(0, 1));
    begin += t;
  }
}

// All padded items at once.

std::int64_t items(const AttentionPlan& plan) { return plan.padded_mask.size(0); }
std::int64_t longest(const AttentionPlan& plan) { return plan.padded_mask.size(2); }

/// Tokens' rows [T, n, c] to [B, n, L, c]; what stands in the padding is another token's.
Tensor pad(const Tensor& rows, const AttentionPlan& plan) {
  return rows.index_select(0, plan.slots)
      .view({items(plan), longest(plan), rows.size(1), plan.width})
      .transpose(1, 2);
}

/// The same with zeros in the padding.
Tensor pad_with_zeros(const Tensor& rows, const AttentionPlan& plan) {
  return at::zeros({items(plan) * longest(plan), rows.size(1), plan.width}, rows.options())
      .index_copy_(0, plan.places, rows)
      .view({items(plan), longest(plan), rows.size(1), plan.width})
      .transpose(1, 2);
}

/// Back to tokens: [B, n, L, c], in any shape with these numbers in order, to [T, n, c].
Tensor unpad(const Tensor& padded, std::int64_t n, const AttentionPlan& plan) {
  return padded.view({items(plan), n, longest(plan), plan.width})
      .transpose(1, 2)
      .reshape({items(plan) * longest(plan), n, plan.width})
      .index_select(0, plan.places);
}

Views padded_views(const Tensor& rotated, const Tensor& values, const AttentionPlan& plan) {
  const std::int64_t rows = items(plan) * plan.kv_heads, group = plan.heads / plan.kv_heads;
  const Tensor all = pad(rotated, plan);
  return {
      all.narrow(1, 0, plan.heads).reshape({rows, group * longest(plan), plan.width}),
      all.narrow(1, plan.heads, plan.kv_heads).reshape({rows, longest(plan), plan.width}),
      pad(values, plan).reshape({rows, longest(plan), plan.width}),
  };
}

Tensor padded_probabilities(const Views& x, const AttentionPlan& plan) {
  const Tensor scores = at::bmm(x.q, x.k.transpose(1, 2)).mul_(score_scale(plan));
  scores.view({items(plan), plan.heads, longest(plan), longest(plan)}).add_(plan.padded_mask);
  return at::softmax(scores, -1);
}

Tensor attend_padded(const Tensor& rotated, const Tensor& values, const AttentionPlan& plan) {
  const Views x = padded_views(rotated, values, plan);
  return unpad(at::bmm(padded_probabilities(x, plan), x.v), plan.heads, plan);
}

void attend_padded_backward(const Tensor& rotated, const Tensor& values, const Tensor& grad,
                            const AttentionPlan& plan, Tensor& rotated_grad, Tensor& values_grad) {
  const Views x = padded_views(rotated, values, plan);
  const Tensor out_grad = pad_with_zeros(grad, plan).reshape_as(x.q);
  const Views got = gradients(x, padded_probabilities(x, plan), out_grad, plan);
  rotated_grad.narrow(1, 0, plan.heads).copy_(unpad(got.q, plan.heads, plan));
  rotated_grad.narrow(1, plan.heads, plan.kv_heads).copy_(unpad(got.k, plan.kv_heads, plan));
  values_grad.copy_(unpad(got.v, plan.kv_heads, plan));
}

// Lets a plan travel through the autograd context.
struct PlanHolder : torch::CustomClassHolder {
  explicit PlanHolder(std::shared_ptr<const AttentionPlan> p) : plan(std::move(p)) {}
  std::shared_ptr<const AttentionPlan> plan;
};

// The backward pass computes the probabilities again.
struct TreeAttention : Function<TreeAttention> {
  static Variable forward(AutogradContext* context, const Tensor& qkv,
                          const std::shared_ptr<const AttentionPlan>& shared_plan) {
    const AttentionPlan& plan = *shared_plan;
    const std::int64_t turned = plan.heads + plan.kv_heads;
    const Tensor rows = qkv.view({qkv.size(0), turned + plan.kv_heads, plan.width});
    const Tensor rotated = rotate(rows.narrow(1, 0, turned).to(torch::kFloat), plan, false);
    const Tensor values = rows.narrow(1, turned, plan.kv_heads).to(torch::kFloat);
    const Tensor out = plan.padded_mask.defined() ? attend_padded(rotated, values, plan)
                                                  : attend_items(rotated, values, plan);
    context->save_for_backward({rotated, values});
    context->saved_data["plan"] = c10::IValue::make_capsule(
        c10::intrusive_ptr<torch::CustomClassHolder>(c10::make_intrusive<PlanHolder>(shared_plan)));
    context->saved_data["type"] = static_cast<std::int64_t>(qkv.scalar_type());
    return out.view({qkv.size(0), -1}).to(qkv.scalar_type());
  }

  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    const auto holder = context->saved_data["plan"].toCapsule();
    const AttentionPlan& plan = *static_cast<const PlanHolder&>(*holder).plan;
    const auto saved = context->get_saved_variables();
    const std::int64_t tokens = saved[0].size(0), turned = plan.heads + plan.kv_heads;
    const Tensor grad = grads[0].to(torch::kFloat).view({tokens, plan.heads, plan.width});
    Tensor rotated_grad = at::empty_like(saved[0]);
    Tensor result = at::empty({tokens, turned + plan.kv_heads, plan.width}, grad.options());
    Tensor values_grad = result.narrow(1, turned, plan.kv_heads);
    const auto backward_pass =
        plan.padded_mask.defined() ? attend_padded_backward : attend_items_backward;
    backward_pass(saved[0], saved[1], grad, plan, rotated_grad, values_grad);
    result.narrow(1, 0, turned).copy_(rotate(rotated_grad, plan, true));
    const auto type = static_cast<torch::ScalarType>(context->saved_data["type"].toInt());
    return {result.view({tokens, -1}).to(type), Variable()};
  }
};

}  // namespace

void pad_items(AttentionPlan& plan, torch::Device device) {
  const auto n = static_cast<std::int64_t>(plan.lengths.size());
  const std::int64_t width = *std::max_element(plan.lengths.begin(), plan.lengths.end());
  std::vector<std::int64_t> slots(static_cast<std::size_t>(n * width), 0), places;
  const Tensor mask =
      torch::full({n, 1, width, width}, -std::numeric_limits<float>::infinity(), torch::kFloat);
  for (std::int64_t i = 0; i < n; ++i) {
    const std::int64_t t = plan.lengths[static_cast<std::size_t>(i)];
    for (std::int64_t j = 0; j < t; ++j) {
      slots[static_cast<std::size_t>(i * width + j)] = static_cast<std::int64_t>(places.size());
      places.push_back(i * width + j);
    }
    const Tensor own = mask[i][0];
    own.narrow(0, 0, t).narrow(1, 0, t).copy_(plan.masks[static_cast<std::size_t>(i)]);
    own.narrow(0, t, width - t).narrow(1, 0, 1).zero_();  // a row that sees nothing has no softmax
  }
  plan.slots = torch::tensor(slots, torch::kLong).to(device);
  plan.places = torch::tensor(places, torch::kLong).to(device);
  plan.padded_mask = mask.to(device);
}

torch::Tensor rotate(const torch::Tensor& x, const AttentionPlan& plan, bool back) {
  const Tensor sin = back ? -plan.sin : plan.sin;
  if (plan.half_split) {
    const auto half = x.chunk(2, 2);
    return at::cat({half[0] * plan.cos - half[1] * sin, half[1] * plan.cos + half[0] * sin}, 2);
  }
  const Tensor pairs =
      at::view_as_complex(x.contiguous().view({x.size(0), x.size(1), plan.width / 2, 2}));
  return at::view_as_real(pairs * at::complex(plan.cos, sin)).flatten(2);
}

torch::Tensor tree_attention(const torch::Tensor& qkv,
                             const std::shared_ptr<const AttentionPlan>& plan) {
  return TreeAttention::apply(qkv, plan);
}

}  // namespace crayon
