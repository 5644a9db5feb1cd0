#include "crayon/bench/route/internal/logistic.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace crayon {
namespace {

constexpr int kMostSteps = 50;
constexpr double kRidgeOfConstant = 1e-6;  ///< Keeps the system solvable.

/// Solves A x = b in place, A symmetric and positive definite [n, n], row by row (Cholesky).
void solve(std::vector<double>& a, std::vector<double>& b) {
  const std::size_t n = b.size();
  for (std::size_t j = 0; j < n; ++j) {
    for (std::size_t k = 0; k < j; ++k) a[j * n + j] -= a[j * n + k] * a[j * n + k];
    a[j * n + j] = std::sqrt(a[j * n + j]);
    for (std::size_t i = j + 1; i < n; ++i) {
      for (std::size_t k = 0; k < j; ++k) a[i * n + j] -= a[i * n + k] * a[j * n + k];
      a[i * n + j] /= a[j * n + j];
    }
  }
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t k = 0; k < i; ++k) b[i] -= a[i * n + k] * b[k];
    b[i] /= a[i * n + i];
  }
  for (std::size_t i = n; i-- > 0;) {
    for (std::size_t k = i + 1; k < n; ++k) b[i] -= a[k * n + i] * b[k];
    b[i] /= a[i * n + i];
  }
}

/// Gradient and Hessian of the penalised loss at w; features are x and a 1.
struct Slope {
  std::vector<double> gradient;
  std::vector<double> hessian;

  Slope(const Matrix& x, std::span<const std::uint8_t> y, const Logistic& at, double ridge)
      : gradient(at.weights.size()), hessian(at.weights.size() * at.weights.size()) {
    const std::size_t n = at.weights.size();
    for (std::size_t i = 0; i < n; ++i) {
      const double penalty = i + 1 < n ? ridge : kRidgeOfConstant;
      gradient[i] = penalty * at.weights[i];
      hessian[i * n + i] = penalty;
    }
    for (std::size_t r = 0; r < x.rows; ++r) {
      const auto row = x.row(r);
      const auto feature = [&](std::size_t i) { return i + 1 < n ? double{row[i]} : 1.0; };
      const double p = 1 / (1 + std::exp(-at.logit(row)));
      for (std::size_t i = 0; i < n; ++i) {
        gradient[i] += (p - (y[r] != 0 ? 1 : 0)) * feature(i);
        for (std::size_t j = 0; j <= i; ++j) {
          hessian[i * n + j] += p * (1 - p) * feature(i) * feature(j);
        }
      }
    }
  }
};

double loss(const Matrix& x, std::span<const std::uint8_t> y, const Logistic& at, double ridge) {
  double sum = 0.5 * kRidgeOfConstant * at.weights.back() * at.weights.back();
  for (std::size_t i = 0; i + 1 < at.weights.size(); ++i) {
    sum += 0.5 * ridge * at.weights[i] * at.weights[i];
  }
  for (std::size_t r = 0; r < x.rows; ++r) {
    const double logit = y[r] != 0 ? -at.logit(x.row(r)) : at.logit(x.row(r));
    sum += std::max(0.0, logit) + std::log1p(std::exp(-std::abs(logit)));
  }
  return sum;
}

}  // namespace

double Logistic::logit(std::span<const float> x) const {
  double sum = weights.back();
  for (std::size_t i = 0; i < x.size(); ++i) sum += weights[i] * double{x[i]};
  return sum;
}

Logistic fit_logistic(const Matrix& x, std::span<const std::uint8_t> y, double ridge) {
  Logistic fit{std::vector<double>(x.cols + 1)};
  const auto ones = std::ranges::count_if(y, [](auto label) { return label != 0; });
  if (ones == 0 || static_cast<std::size_t>(ones) == y.size()) return fit;
  double now = loss(x, y, fit, ridge);
  for (int step = 0; step < kMostSteps; ++step) {
    Slope at(x, y, fit, ridge);
    solve(at.hessian, at.gradient);
    Logistic next = fit;
    double then = now;
    for (double size = 1; size > 1e-6; size /= 2) {
      for (std::size_t i = 0; i < next.weights.size(); ++i) {
        next.weights[i] = fit.weights[i] - size * at.gradient[i];
      }
      then = loss(x, y, next, ridge);
      if (then <= now) break;
    }
    if (!(then < now - 1e-12)) break;
    fit = next;
    now = then;
  }
  return fit;
}

}  // namespace crayon
