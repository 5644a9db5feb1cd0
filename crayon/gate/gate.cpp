#include "crayon/gate/gate.h"

#include "crayon/gate/internal/vectors.h"
#include "crayon/gate/scope.h"

namespace crayon {
namespace {

using internal::require;

constexpr double kNormTolerance = 1e-3;
/// Reference prompts that say how dense the kind of a prompt lies (docs/design/pool.md).
constexpr std::size_t kNearby = 12;
/// Smaller weights count as none: they change no answer, but cost their ranks in every blend.
constexpr double kLeastWeight = 0.002;

void check_keys(const Matrix& keys) {
  for (std::size_t i = 0; i < keys.rows; ++i) {
    const double norm = std::sqrt(internal::dot(keys.row(i), keys.row(i)));
    require(std::abs(norm - 1) <= kNormTolerance,
            fmt::format("gate: key {} has norm {:.4f}; expected 1", i, norm));
  }
}

void check_even(const Gate& gate) {
  if (gate.even.empty()) return;
  internal::require_size(gate.even.size(), gate.size(), "gate: even shares");
  internal::require_finite(gate.even, "gate: even shares");
  double sum = 0;
  for (const float p : gate.even) {
    require(p >= 0, fmt::format("gate: even share {}; expected at least 0", p));
    sum += double{p};
  }
  require(sum <= 1 + kNormTolerance,
          fmt::format("gate: even shares sum to {:.4f}; expected at most 1", sum));
}

/// How usual the task's prompts are among those that the pool was trained on.
double familiarity_of(const Gate& gate, const Matrix& z) {
  if (gate.reference.rows < 2) return 1;
  const Scope usual(gate.reference);
  double sum = 0;
  for (std::size_t k = 0; k < z.rows; ++k) sum += usual.local_rank(z.row(k), kNearby);
  // A usual prompt's rank among those around it is uniform, so its mean is one half.
  return std::min(1.0, 2 * sum / static_cast<double>(z.rows));
}

}  // namespace

Pooling parse_pooling(const std::string& name) {
  if (name == "mean") return Pooling::Mean;
  if (name == "last") return Pooling::Last;
  throw Error(ErrorCode::InvalidArgument,
              fmt::format("pooling '{}'; expected 'mean' or 'last'", name));
}

std::string to_string(Pooling pooling) { return pooling == Pooling::Mean ? "mean" : "last"; }

void check_gate(const Gate& gate) {
  internal::require_shape(gate.keys, "gate: keys");
  internal::require_shape(gate.whitening.projection, "gate: whitening");
  internal::require_shape(gate.reference, "gate: reference");
  internal::require_finite(gate.whitening.mean, "gate: mean");
  const std::size_t m = gate.whitening.projection.rows;
  require(m >= 1 && gate.keys.cols == m,
          fmt::format("gate: keys [{}, {}] and whitening [{}, {}]; expected keys [N, m] and "
                      "whitening [m, d]",
                      gate.keys.rows, gate.keys.cols, m, gate.whitening.projection.cols));
  internal::require_size(gate.whitening.mean.size(), gate.whitening.projection.cols, "gate: mean");
  require(gate.reference.rows == 0 || gate.reference.cols == m,
          fmt::format("gate: reference [{}, {}]; expected [n, {}]", gate.reference.rows,
                      gate.reference.cols, m));
  require(gate.embedding.layer >= 0,
          fmt::format("gate: embedding layer {}; expected at least 0", gate.embedding.layer));
  require(std::isfinite(gate.temperature) && gate.temperature > 0,
          fmt::format("gate: temperature {}; expected a number above 0", gate.temperature));
  require(gate.max_tilt >= 0 && gate.max_tilt <= 1,
          fmt::format("gate: max_tilt {}; expected 0 to 1", gate.max_tilt));
  require(gate.shared_least >= 0 && gate.shared_least <= 1,
          fmt::format("gate: shared_least {}; expected 0 to 1", gate.shared_least));
  check_keys(gate.keys);
  check_even(gate);
}

std::vector<float> gate_weights(const Gate& gate, std::span<const float> z) {
  require(gate.size() >= 1, "gate: 0 keys; expected at least one, so add an adapter to the pool");
  internal::require_size(z.size(), gate.keys.cols, "gate: embedding");
  internal::require_finite(z, "gate: embedding");
  std::vector<double> g(gate.size());
  for (std::size_t i = 0; i < g.size(); ++i) {
    g[i] = internal::dot(gate.keys.row(i), z) / double{gate.temperature};
  }
  const double top = *std::max_element(g.begin(), g.end());
  double sum = 0;
  for (double& x : g) sum += x = std::exp(x - top);
  std::vector<float> out;
  for (const double x : g) out.push_back(static_cast<float>(x / sum));
  return out;
}

TaskWeights task_weights(const Gate& gate, const Matrix& z) {
  require(z.rows >= 1, "gate: 0 examples; expected at least one");
  std::vector<double> mean(gate.size(), 0.0);
  for (std::size_t k = 0; k < z.rows; ++k) {
    const auto g = gate_weights(gate, z.row(k));
    for (std::size_t i = 0; i < g.size(); ++i)
      mean[i] += double{g[i]} / static_cast<double>(z.rows);
  }
  TaskWeights out;
  out.familiarity = familiarity_of(gate, z);
  out.tilt = double{gate.max_tilt} * (gate.modulated ? out.familiarity : 1.0);
  for (std::size_t i = 0; i < mean.size(); ++i) {
    const double even = gate.even.empty() ? (1 - out.tilt) / static_cast<double>(gate.size())
                                          : (1 - out.tilt) * double{gate.even[i]};
    out.gate_mean.push_back(static_cast<float>(mean[i]));
    const double w = even + out.tilt * mean[i];
    out.weights.push_back(w < kLeastWeight ? 0.0f : static_cast<float>(w));
  }
  return out;
}

float shared_weight(const Gate& gate, std::span<const float> weights) {
  if (gate.shared_least == 1 || gate.max_tilt == 0) return 1;
  double sum = 0;
  for (const float w : weights) sum += double{w};
  const double share = std::clamp(sum / double{gate.max_tilt}, 0.0, 1.0);
  const double least = double{gate.shared_least};
  return static_cast<float>(least + (1 - least) * share);
}

}  // namespace crayon
