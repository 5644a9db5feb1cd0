#include "crayon/trainer/internal/block_functions.h"

#include <torch/csrc/autograd/custom_function.h>

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

torch::Tensor target_log_probs(const torch::Tensor& x, const torch::Tensor& weight,
                               const torch::Tensor& rows, const torch::Tensor& targets) {
  return TargetLogProbs::apply(x, weight, rows, targets);
}

}  // namespace crayon
