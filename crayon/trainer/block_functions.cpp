#include "crayon/trainer/internal/block_functions.h"

#include <torch/csrc/autograd/custom_function.h>

#include <cmath>
#include <memory>

#include "crayon/trainer/internal/element_wise.h"

namespace crayon {
namespace {

using torch::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::Variable;
using torch::autograd::variable_list;

struct RmsNorm : Function<RmsNorm> {
  static Variable forward(AutogradContext* context, const Tensor& x, const Tensor& weight,
                          double eps, std::int64_t out) {
    const auto [y, rate] = rms_norm_forward(x, weight, eps, static_cast<torch::ScalarType>(out));
    context->save_for_backward({x, weight, rate});
    return y;
  }

  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    const auto saved = context->get_saved_variables();
    return {rms_norm_backward(grads[0], saved[0], saved[1], saved[2]), Variable(), Variable(),
            Variable()};
  }
};

// One node for a whole group. The B_k stand in one block-diagonal matrix: some products with zero,
// but all of them on whole rows, which is what fast matrix units need.
struct AdaptedLinear : Function<AdaptedLinear> {
  static Variable forward(AutogradContext* context, const Tensor& x, const Tensor& weight,
                          const c10::optional<Tensor>& bias, const Tensor& a, const Tensor& gain,
                          torch::TensorList b) {
    const Tensor h = at::linear(x, a);
    const Tensor gained = (h * gain).to(h.scalar_type());
    const Tensor blocks = b.size() == 1 ? b[0] : at::block_diag(b);
    std::vector<std::int64_t> d_out;
    for (const auto& part : b) d_out.push_back(part.size(0));
    context->save_for_backward({x, weight, a, gain, h, gained, blocks});
    context->saved_data["d_out"] = d_out;
    return at::linear(x, weight, bias).addmm_(gained, blocks.t());
  }

  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    const auto saved = context->get_saved_variables();
    const Tensor &x = saved[0], &weight = saved[1], &a = saved[2], &gain = saved[3];
    const Tensor &h = saved[4], &gained = saved[5], &blocks = saved[6];
    const Tensor g = grads[0].contiguous();
    Tensor h_grad = g.mm(blocks);
    const Tensor gain_grad = (h_grad * h).sum(0, false, gain.scalar_type());
    h_grad = (h_grad * gain).to(h.scalar_type());
    Tensor x_grad;
    if (context->needs_input_grad(0)) x_grad = g.mm(weight).addmm_(h_grad, a);
    variable_list result = {x_grad, Variable(), Variable(), h_grad.t().mm(x), gain_grad};

    const Tensor blocks_grad = g.t().mm(gained);
    const auto d_out = context->saved_data["d_out"].toIntVector();
    const std::int64_t rank = blocks.size(1) / static_cast<std::int64_t>(d_out.size());
    std::int64_t row = 0, column = 0;
    for (const std::int64_t rows : d_out) {
      result.push_back(blocks_grad.narrow(0, row, rows).narrow(1, column, rank));
      row += rows;
      column += rank;
    }
    return result;
  }
};

struct SwiGlu : Function<SwiGlu> {
  static Variable forward(AutogradContext* context, const Tensor& gate_up) {
    context->save_for_backward({gate_up});
    return swiglu_forward(gate_up);
  }

  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    return {swiglu_backward(context->get_saved_variables()[0], grads[0])};
  }
};

// The rows of one item as [Hk, (H / Hk) t, c] for queries and [Hk, t, c] for keys and values, so
// that heads that share keys are one product.
struct ItemViews {
  Tensor q, k, v;
};

ItemViews item_views(const Tensor& rotated, const Tensor& values, const AttentionPlan& plan,
                     std::int64_t begin, std::int64_t length) {
  const Tensor rows = rotated.narrow(0, begin, length).transpose(0, 1).contiguous();
  const std::int64_t group = plan.heads / plan.kv_heads;
  return {rows.narrow(0, 0, plan.heads).view({plan.kv_heads, group * length, plan.width}),
          rows.narrow(0, plan.heads, plan.kv_heads),
          values.narrow(0, begin, length).transpose(0, 1)};
}

double score_scale(const AttentionPlan& plan) {
  return 1.0 / std::sqrt(static_cast<double>(plan.width));
}

Tensor probabilities(const ItemViews& item, const Tensor& mask, const AttentionPlan& plan) {
  Tensor scores = at::bmm(item.q, item.k.transpose(1, 2));
  masked_softmax_(scores, mask, score_scale(plan));
  return scores;
}

// Lets a plan travel through the autograd context.
struct PlanHolder : torch::CustomClassHolder {
  explicit PlanHolder(std::shared_ptr<const AttentionPlan> p) : plan(std::move(p)) {}
  std::shared_ptr<const AttentionPlan> plan;
};

struct TreeAttention : Function<TreeAttention> {
  static Variable forward(AutogradContext* context, const Tensor& qkv,
                          const std::shared_ptr<const AttentionPlan>& shared_plan) {
    const AttentionPlan& plan = *shared_plan;
    const std::int64_t turned = plan.heads + plan.kv_heads;
    const Tensor rows = qkv.view({qkv.size(0), turned + plan.kv_heads, plan.width});
    const Tensor rotated = rotate(rows.narrow(1, 0, turned).to(torch::kFloat), plan, false);
    const Tensor values = rows.narrow(1, turned, plan.kv_heads).to(torch::kFloat);
    Tensor out = at::empty({qkv.size(0), plan.heads, plan.width}, values.options());
    std::int64_t begin = 0;
    for (std::size_t i = 0; i < plan.lengths.size(); ++i) {
      const std::int64_t t = plan.lengths[i];
      const ItemViews item = item_views(rotated, values, plan, begin, t);
      const Tensor mixed = at::bmm(probabilities(item, plan.masks[i], plan), item.v);
      out.narrow(0, begin, t).copy_(mixed.view({plan.heads, t, plan.width}).transpose(0, 1));
      begin += t;
    }
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
    std::int64_t begin = 0;
    for (std::size_t i = 0; i < plan.lengths.size(); ++i) {
      const std::int64_t t = plan.lengths[i];
      const ItemViews item = item_views(saved[0], saved[1], plan, begin, t);
      const Tensor item_grad = grad.narrow(0, begin, t).transpose(0, 1).reshape_as(item.q);
      const ItemViews got = item_backward(item, item_grad, plan.masks[i], plan);
      Tensor rows = rotated_grad.narrow(0, begin, t);
      rows.narrow(1, 0, plan.heads).copy_(got.q.view({plan.heads, t, plan.width}).transpose(0, 1));
      rows.narrow(1, plan.heads, plan.kv_heads).copy_(got.k.transpose(0, 1));
      result.narrow(0, begin, t).narrow(1, turned, plan.kv_heads).copy_(got.v.transpose(0, 1));
      begin += t;
    }
    result.narrow(1, 0, turned).copy_(rotate(rotated_grad, plan, true));
    const auto type = static_cast<torch::ScalarType>(context->saved_data["type"].toInt());
    return {result.view({tokens, -1}).to(type), Variable()};
  }

  // With P = softmax(s q k^T + mask) and out = P v: the probabilities are computed again.
  static ItemViews item_backward(const ItemViews& item, const Tensor& grad, const Tensor& mask,
                                 const AttentionPlan& plan) {
    const Tensor p = probabilities(item, mask, plan);
    Tensor score_grad = at::bmm(grad, item.v.transpose(1, 2));
    softmax_backward_(score_grad, p, score_scale(plan));
    return {at::bmm(score_grad, item.k), at::bmm(score_grad.transpose(1, 2), item.q),
            at::bmm(p.transpose(1, 2), grad)};
  }
};

// With p = softmax of a row: d log p[t] / d logits = onehot(t) - p, summed over the row's targets.
struct TargetLogProbs : Function<TargetLogProbs> {
  static Variable forward(AutogradContext* context, const Tensor& x, const Tensor& weight,
                          const Tensor& rows, const Tensor& targets) {
    const Tensor logits = at::linear(x, weight);
    const Tensor log_sums = log_sum_exp(logits);
    context->save_for_backward({weight, rows, targets, logits, log_sums});
    return logits.index({rows, targets}).to(torch::kFloat) - log_sums.index_select(0, rows);
  }

  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    const auto saved = context->get_saved_variables();
    const Tensor &weight = saved[0], &rows = saved[1], &targets = saved[2], &logits = saved[3];
    const Tensor row_sums =
        torch::zeros({logits.size(0)}, grads[0].options()).index_add_(0, rows, grads[0]);
    Tensor grad = scaled_softmax(logits, saved[4], row_sums.neg());
    grad.index_put_({rows, targets}, grads[0].to(grad.scalar_type()), true);
    return {grad.mm(weight), Variable(), Variable(), Variable()};
  }
};

}  // namespace

torch::Tensor rms_norm(const torch::Tensor& x, const torch::Tensor& weight, double eps,
                       torch::ScalarType out) {
  return RmsNorm::apply(x, weight, eps, static_cast<std::int64_t>(out));
}

torch::Tensor adapted_linear(const torch::Tensor& x, const torch::Tensor& weight,
                             const torch::Tensor& bias, const GroupFactors* factors) {
  const auto shift = bias.defined() ? c10::optional<Tensor>(bias) : c10::nullopt;
  if (factors == nullptr) return at::linear(x, weight, shift);
  return AdaptedLinear::apply(x, weight, shift, factors->a, factors->gain,
                              torch::TensorList(factors->b));
}

torch::Tensor swiglu(const torch::Tensor& gate_up) { return SwiGlu::apply(gate_up); }

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

torch::Tensor target_log_probs(const torch::Tensor& x, const torch::Tensor& weight,
                               const torch::Tensor& rows, const torch::Tensor& targets) {
  return TargetLogProbs::apply(x, weight, rows, targets);
}

}  // namespace crayon
