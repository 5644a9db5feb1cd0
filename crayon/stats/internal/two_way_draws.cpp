#include "crayon/stats/internal/two_way_draws.h"

#include <fmt/format.h>

#include <cmath>

namespace crayon {
namespace {

/// Does Marsaglia and Tsang's method take v = (1 + c z)^3 at this uniform number? Their quick test
/// spares the logarithms most of the time, and never holds where the exact one does not.
bool accepts(double z, double uniform, double d, double v) {
  const double square = z * z;
  if (uniform < 1 - 0.0331 * square * square) return true;
  return std::log(uniform) < 0.5 * square + d - d * v + d * std::log(v);
}

}  // namespace

TwoWayDraws::TwoWayDraws(std::uint64_t seed, std::size_t replicates)
    : seed_(seed), replicates_(replicates), trial_stream_(seed, "two-way bootstrap: gamma") {
  Rng rng(seed, "two-way bootstrap: seeds");
  normals_.resize(replicates);
  for (double& x : normals_) x = rng.normal();
}

Rng TwoWayDraws::task_stream(std::size_t t) const {
  return Rng(seed_, fmt::format("two-way bootstrap: task {}", t));
}

const std::vector<double>& TwoWayDraws::uniforms(std::size_t t) {
  if (t >= uniforms_.size()) uniforms_.resize(t + 1);
  std::vector<double>& numbers = uniforms_[t];
  if (numbers.empty()) {
    numbers.resize(replicates_);
    Rng rng = task_stream(t);
    for (double& x : numbers) x = rng.uniform();
  }
  return numbers;
}

const TwoWayDraws::Trial& TwoWayDraws::trial(std::size_t i) {
  while (i >= trials_.size()) {
    const double normal = trial_stream_.normal();
    trials_.push_back({normal, 1 - trial_stream_.uniform()});
  }
  return trials_[i];
}

/// Marsaglia and Tsang (2000), scale 1.
std::vector<double> TwoWayDraws::gamma_of_shape_one_up(double shape) {
  const double d = shape - 1.0 / 3;
  const double c = 1 / std::sqrt(9 * d);
  std::vector<double> numbers(replicates_);
  std::size_t i = 0;
  for (double& x : numbers) {
    while (true) {
      const auto [z, uniform] = trial(i++);
      const double root = 1 + c * z;
      const double v = root * root * root;
      if (v <= 0 || !accepts(z, uniform, d, v)) continue;
      x = d * v;
      break;
    }
  }
  return numbers;
}

/// Twice a gamma variable of shape n / 2.
const std::vector<double>& TwoWayDraws::chi_squared(double n) {
  if (n == last_n_) return chi_;
  const bool small = n < 2;
  chi_ = gamma_of_shape_one_up(small ? n / 2 + 1 : n / 2);
  for (double& x : chi_) x *= 2;
  if (small) {  // gamma(k) is gamma(k + 1) u^(1/k)
    Rng rng(seed_, "two-way bootstrap: small gamma");
    for (double& x : chi_) x *= std::pow(1 - rng.uniform(), 2 / n);
  }
  last_n_ = n;
  return chi_;
}

}  // namespace crayon
