#include "crayon/session/refine.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "crayon/base/error.h"
#include "crayon/base/interrupt.h"
#include "crayon/session/internal/solve.h"

namespace crayon {
namespace {

/// The convex problem for one spread; examples can be left out of it.
class Problem {
 public:
  Problem(const Linearised& data, double spread)
      : data_(data),
        n_(data.w0.size()),
        beta_(fit_scale(data.at_w0, data.answers)),
        penalty_(static_cast<double>(n_ * n_) / (spread * spread)) {}

  /// u = w - w0 by damped Newton from `start`; `leave_out` is an example or npos.
  [[nodiscard]] std::vector<double> solve(std::vector<double> u, std::size_t leave_out,
                                          int steps) const {
    double now = objective(u, leave_out);
    for (int i = 0; i < steps; ++i) {
      const std::vector<double> step = newton_step(u, leave_out);
      double length = 1.0;
      std::vector<double> next = moved(u, step, length);
      double value = objective(next, leave_out);
      while (value > now && length > 1e-4) {
        length /= 2;
        next = moved(u, step, length);
        value = objective(next, leave_out);
      }
      if (now - value < 1e-9 * (1 + std::abs(now))) break;
      u = std::move(next);
      now = value;
    }
    return u;
  }

  /// -log softmax of example k at u.
  [[nodiscard]] double loss(std::span<const double> u, std::size_t k) const {
    return -log_softmax(scores(u, k))[static_cast<std::size_t>(data_.answers[k])];
  }

 private:
  static std::vector<double> moved(const std::vector<double>& u, const std::vector<double>& step,
                                   double length) {
    std::vector<double> next = u;
    for (std::size_t i = 0; i < u.size(); ++i) next[i] -= length * step[i];
    return next;
  }

  [[nodiscard]] std::vector<float> scores(std::span<const double> u, std::size_t k) const {
    std::vector<float> s(data_.at_w0[k].size());
    for (std::size_t c = 0; c < s.size(); ++c) {
      double value = static_cast<double>(data_.at_w0[k][c]);
      for (std::size_t i = 0; i < n_; ++i) {
        value += u[i] * static_cast<double>(data_.slopes[i][k][c]);
      }
      s[c] = static_cast<float>(beta_ * value);
    }
    return s;
  }

  [[nodiscard]] double objective(std::span<const double> u, std::size_t leave_out) const {
    double sum = 0;
    for (const double x : u) sum += 0.5 * penalty_ * x * x;
    for (std::size_t k = 0; k < data_.answers.size(); ++k) {
      if (k != leave_out) sum += loss(u, k);
    }
    return sum;
  }

  /// Adds example k's gradient and Hessian of the log-loss: slopes' mean and covariance under p.
  void add_example(std::span<const double> u, std::size_t k, std::vector<double>& g,
                   std::vector<double>& h) const {
    const std::vector<double> log_p = log_softmax(scores(u, k));
    std::vector<double> mean(n_, 0.0);
    for (std::size_t c = 0; c < log_p.size(); ++c) {
      const double p = std::exp(log_p[c]);
      for (std::size_t i = 0; i < n_; ++i) mean[i] += p * slope(i, k, c);
    }
    for (std::size_t i = 0; i < n_; ++i) {
      g[i] += mean[i] - slope(i, k, static_cast<std::size_t>(data_.answers[k]));
    }
    for (std::size_t c = 0; c < log_p.size(); ++c) {
      const double p = std::exp(log_p[c]);
      for (std::size_t i = 0; i < n_; ++i) {
        for (std::size_t j = 0; j < n_; ++j) {
          h[i * n_ + j] += p * (slope(i, k, c) - mean[i]) * (slope(j, k, c) - mean[j]);
        }
      }
    }
  }

  [[nodiscard]] std::vector<double> newton_step(std::span<const double> u,
                                                std::size_t leave_out) const {
    std::vector<double> g(n_);
    std::vector<double> h(n_ * n_, 0.0);
    for (std::size_t i = 0; i < n_; ++i) {
      g[i] = penalty_ * u[i];
      h[i * n_ + i] = penalty_;
    }
    for (std::size_t k = 0; k < data_.answers.size(); ++k) {
      if (k != leave_out) add_example(u, k, g, h);
    }
    return solve_positive(h, g);
  }

  [[nodiscard]] double slope(std::size_t i, std::size_t k, std::size_t c) const {
    return beta_ * static_cast<double>(data_.slopes[i][k][c]);
  }

  const Linearised& data_;
  std::size_t n_;
  double beta_;
  double penalty_;  ///< 1 / (spread / N)^2, against the sum of the losses.
};

constexpr std::size_t kNone = std::numeric_limits<std::size_t>::max();

std::vector<float> weights_at(std::span<const float> w0, std::span<const double> u) {
  std::vector<float> w(w0.begin(), w0.end());
  for (std::size_t i = 0; i < w.size(); ++i) w[i] += static_cast<float>(u[i]);
  return w;
}

void check(const Linearised& data) {
  const std::size_t n = data.answers.size();
  bool fits = n >= 2 && data.at_w0.size() == n && data.slopes.size() == data.w0.size();
  for (const ScoreTable& table : data.slopes) fits = fits && table.size() == n;
  if (!fits) {
    throw Error(ErrorCode::InvalidArgument,
                "refining needs at least 2 labelled examples, scored at N + 1 weights each");
  }
}

Refined refine_at(const Linearised& data, double spread, int steps) {
  const Problem problem(data, spread);
  const auto u = problem.solve(std::vector<double>(data.w0.size(), 0.0), kNone, steps);
  Refined refined{.weights = weights_at(data.w0, u), .without_each = {}, .spread = spread};
  for (std::size_t k = 0; k < data.answers.size(); ++k) {
    throw_if_interrupted();
    const auto without = problem.solve(u, k, steps);
    refined.without_each.push_back(weights_at(data.w0, without));
    refined.linear_log_loss += problem.loss(without, k) / static_cast<double>(data.answers.size());
  }
  return refined;
}

}  // namespace

Refined refine_weights(const Linearised& data, const RefineOptions& options) {
  check(data);
  Refined best;
  best.linear_log_loss = std::numeric_limits<double>::infinity();
  for (const double spread : options.spreads) {
    Refined next = refine_at(data, spread, options.newton_steps);
    if (next.linear_log_loss < best.linear_log_loss) best = std::move(next);
  }
  return best;
}

Linearised linearise(std::span<const float> w0, const ScoreTable& at_w0,
                     std::span<const int> answers, const ScoreAt& score_at) {
  Linearised data{.w0 = {w0.begin(), w0.end()},
                  .at_w0 = at_w0,
                  .slopes = {},
                  .answers = {answers.begin(), answers.end()}};
  const float step = 1.0f / static_cast<float>(w0.size());
  for (std::size_t i = 0; i < w0.size(); ++i) {
    std::vector<float> w = data.w0;
    w[i] += step;
    ScoreTable table = score_at(w);
    for (std::size_t k = 0; k < table.size(); ++k) {
      for (std::size_t c = 0; c < table[k].size(); ++c) {
        table[k][c] = (table[k][c] - at_w0[k][c]) / step;
      }
    }
    data.slopes.push_back(std::move(table));
  }
  return data;
}

}  // namespace crayon
