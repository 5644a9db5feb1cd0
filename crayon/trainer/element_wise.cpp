#include "crayon/trainer/internal/element_wise.h"

#include <ATen/Parallel.h>

#include <algorithm>

#include "crayon/trainer/internal/kernels.h"

namespace crayon {
namespace {

using torch::Tensor;

// Fewest numbers that are worth a thread.
constexpr std::int64_t kGrain = 1 << 16;

template <typename E>
E* data(const Tensor& tensor) {
  return static_cast<E*>(tensor.data_ptr());
}

/// Calls work(first row, rows) for parts of the rows, on torch's threads.
template <typename Work>
void by_rows(const Tensor& rows, const Work& work) {
  const std::int64_t width = std::max<std::int64_t>(1, rows.size(-1));
  at::parallel_for(0, rows.numel() / width, std::max<std::int64_t>(1, kGrain / width),
                   [&](std::int64_t begin, std::int64_t end) { work(begin, end - begin); });
}

/// Calls work with a null pointer of the tensor's number type.
template <typename Work>
void by_type(const Tensor& tensor, const Work& work) {
  if (tensor.scalar_type() == torch::kBFloat16) {
    work(static_cast<kernels::Bf16*>(nullptr));
  } else {
    work(static_cast<float*>(nullptr));
  }
}

}  // namespace

std::pair<Tensor, Tensor> rms_norm_forward(const Tensor& x, const Tensor& weight, double eps,
                                           torch::ScalarType out) {
  if (!x.is_cpu()) {
    const Tensor rate = x.square().mean(1, true).add_(eps).rsqrt_();
    return {x.mul(rate).mul_(weight).to(out), rate.squeeze(1)};
  }
  const Tensor rows = x.contiguous();
  Tensor y = at::empty(x.sizes(), x.options().dtype(out));
  Tensor rate = at::empty({x.size(0)}, x.options());
  const std::int64_t d = x.size(1);
  by_type(y, [&]<typename E>(E*) {
    by_rows(rows, [&](std::int64_t at, std::int64_t n) {
      kernels::rms_norm(data<float>(rows) + at * d, data<float>(weight), static_cast<float>(eps), n,
                        d, data<E>(y) + at * d, data<float>(rate) + at);
    });
  });
  return {y, rate};
}

Tensor rms_norm_backward(const Tensor& grad, const Tensor& x, const Tensor& weight,
                         const Tensor& rate) {
  if (!x.is_cpu()) {
    Tensor g = grad.to(torch::kFloat) * weight;
    const Tensor r = rate.unsqueeze(1), mean = g.mul(x).mean(1, true);
    return g.mul_(r).sub_(x * (mean * r.pow(3)));
  }
  const Tensor rows = x.contiguous(), g = grad.contiguous();
  Tensor x_grad = at::empty(x.sizes(), x.options());
  const std::int64_t d = x.size(1);
  by_type(g, [&]<typename E>(E*) {
    by_rows(rows, [&](std::int64_t at, std::int64_t n) {
      kernels::rms_norm_backward(data<E>(g) + at * d, data<float>(rows) + at * d,
                                 data<float>(weight), data<float>(rate) + at, n, d,
                                 data<float>(x_grad) + at * d);
    });
  });
  return x_grad;
}

Tensor swiglu_forward(const Tensor& gate_up) {
  const std::int64_t n = gate_up.size(1) / 2;
  if (!gate_up.is_cpu()) return at::silu(gate_up.narrow(1, 0, n)).mul_(gate_up.narrow(1, n, n));
  const Tensor both = gate_up.contiguous();
  Tensor y = at::empty({gate_up.size(0), n}, gate_up.options());
  by_type(y, [&]<typename E>(E*) {
    by_rows(y, [&](std::int64_t at, std::int64_t rows) {
      kernels::swiglu(data<E>(both) + 2 * at * n, rows, n, data<E>(y) + at * n);
    });
  });
  return y;
}

Tensor swiglu_backward(const Tensor& gate_up, const Tensor& grad) {
  const std::int64_t n = gate_up.size(1) / 2;
  if (!gate_up.is_cpu()) {
    const Tensor gate = gate_up.narrow(1, 0, n), up = gate_up.narrow(1, n, n);
    return at::cat({at::silu_backward(grad * up, gate), at::silu(gate).mul_(grad)}, 1);
  }
  const Tensor both = gate_up.contiguous(), g = grad.contiguous();
  Tensor result = at::empty(gate_up.sizes(), gate_up.options());
  by_type(g, [&]<typename E>(E*) {
    by_rows(g, [&](std::int64_t at, std::int64_t rows) {
      kernels::swiglu_backward(data<E>(both) + 2 * at * n, data<E>(g) + at * n, rows, n,
                               data<E>(result) + 2 * at * n);
    });
  });
  return result;
}

void masked_softmax_(Tensor& scores, const Tensor& mask, double scale) {
  const std::int64_t t = mask.size(0);
  // Parts begin at a whole copy of the mask.
  const std::int64_t copies = scores.numel() / (t * t);
  at::parallel_for(0, copies, std::max<std::int64_t>(1, kGrain / (t * t)),
                   [&](std::int64_t begin, std::int64_t end) {
                     kernels::masked_softmax(data<float>(scores) + begin * t * t, data<float>(mask),
                                             t, static_cast<float>(scale), (end - begin) * t, t);
                   });
}

void softmax_backward_(Tensor& p_grad, const Tensor& p, double scale) {
  if (!p_grad.is_cpu()) {
    p_grad = at::_softmax_backward_data(p_grad, p, -1, torch::kFloat).mul_(scale);
    return;
  }
  const std::int64_t t = p.size(-1);
  by_rows(p, [&](std::int64_t at, std::int64_t n) {
    kernels::softmax_backward(data<float>(p_grad) + at * t, data<float>(p) + at * t,
                              static_cast<float>(scale), n, t);
  });
}

Tensor log_sum_exp(const Tensor& logits) {
  if (!logits.is_cpu()) return logits.to(torch::kFloat).logsumexp(1);
  const Tensor rows = logits.contiguous();
  const std::int64_t v = rows.size(1);
  Tensor sums = at::empty({rows.size(0)}, rows.options().dtype(torch::kFloat));
  by_type(rows, [&]<typename E>(E*) {
    by_rows(rows, [&](std::int64_t at, std::int64_t n) {
      kernels::log_sum_exp(data<E>(rows) + at * v, n, v, data<float>(sums) + at);
    });
  });
  return sums;
}

Tensor scaled_softmax(const Tensor& logits, const Tensor& sums, const Tensor& factors) {
  if (!logits.is_cpu()) {
    Tensor p = (logits.to(torch::kFloat) - sums.unsqueeze(1)).exp_();
    return p.mul_(factors.unsqueeze(1)).to(logits.scalar_type());
  }
  const Tensor rows = logits.contiguous();
  const std::int64_t v = rows.size(1);
  Tensor y = at::empty(rows.sizes(), rows.options());
  by_type(rows, [&]<typename E>(E*) {
    by_rows(rows, [&](std::int64_t at, std::int64_t n) {
      kernels::scaled_softmax(data<E>(rows) + at * v, data<float>(sums) + at,
                              data<float>(factors) + at, n, v, data<E>(y) + at * v);
    });
  });
  return y;
}

}  // namespace crayon
