#include "crayon/gate/gate.h"
#include "crayon/gate/internal/vectors.h"

namespace crayon {
namespace {

using internal::require;

constexpr double kLeastNorm = 1e-6;  ///< Of a mean of unit vectors that has a direction.

/// sum_k weight_k z_k, scaled to norm 1. @param weights  sum 1
std::vector<float> direction(const Matrix& z, std::span<const double> weights) {
  std::vector<double> sum(z.cols, 0.0);
  for (std::size_t k = 0; k < z.rows; ++k) {
    for (std::size_t j = 0; j < z.cols; ++j) sum[j] += weights[k] * double{z.at(k, j)};
  }
  double squares = 0;
  for (const double x : sum) squares += x * x;
  const double norm = std::sqrt(squares);
  require(norm >= kLeastNorm,
          fmt::format("gate: the embeddings of {} examples have a mean of norm {:.1e}; expected a "
                      "common direction, so give examples of one kind of task",
                      z.rows, norm));
  std::vector<float> key;
  for (const double x : sum) key.push_back(static_cast<float>(x / norm));
  return key;
}

/// softmax over the prompts of <z, key> / temperature
std::vector<double> responsibilities(const Matrix& z, std::span<const float> key,
                                     float temperature) {
  std::vector<double> weights;
  for (std::size_t k = 0; k < z.rows; ++k) {
    weights.push_back(internal::dot(z.row(k), key) / double{temperature});
  }
  const double top = *std::max_element(weights.begin(), weights.end());
  double sum = 0;
  for (double& x : weights) sum += x = std::exp(x - top);
  for (double& x : weights) x /= sum;
  return weights;
}

}  // namespace

std::vector<float> key_of(const Matrix& z) {
  require(z.rows >= 1, "gate: 0 examples for a key; expected at least one");
  internal::require_shape(z, "gate: embeddings");
  const std::vector<double> even(z.rows, 1 / static_cast<double>(z.rows));
  return direction(z, even);
}

Matrix move_keys(const Gate& gate, const Matrix& old_z, const Matrix& new_z) {
  internal::require_shape(old_z, "gate: embeddings");
  internal::require_shape(new_z, "gate: embeddings");
  require(old_z.rows >= 1, "gate: 0 prompts; expected at least one");
  internal::require_size(new_z.rows, old_z.rows, "gate: prompts");
  internal::require_size(old_z.cols, gate.keys.cols, "gate: embedding");
  Matrix keys(gate.size(), new_z.cols);
  for (std::size_t i = 0; i < gate.size(); ++i) {
    const auto key = direction(new_z, responsibilities(old_z, gate.keys.row(i), gate.temperature));
    std::copy(key.begin(), key.end(), keys.row(i).begin());
  }
  return keys;
}

}  // namespace crayon
