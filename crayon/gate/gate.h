// The gate: a task's hidden states in, N blend weights out. Numbers only, no model, no text.
//   h [d] pooled hidden state of the base   z [m] = normalize(L (h - mu))   keys [N, m], |k_i| = 1
//   g_i = softmax_i(<z, k_i> / tau)
// Modulated gate (ours): w = (1 - a) p + a mean_k g(x_k), a the task's familiarity times max_tilt,
// p [N] the even shares: 1/N each for N adapters trained together.
// A shared adapter below them gets l + (1 - l) sum(w) / max_tilt, l = shared_least (ours).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "crayon/base/matrix.h"

namespace crayon {

enum class Pooling {
  Mean,  ///< Mean over the prompt's tokens but the first, whose activation is an outlier.
  Last,  ///< The prompt's last token.
};

/// Which hidden state is the embedding. Layer k is the residual after k blocks (0 = token
/// embeddings), at most the number of layers.
struct EmbeddingSpec {
  int layer = 0;
  Pooling pooling = Pooling::Last;
  friend bool operator==(const EmbeddingSpec&, const EmbeddingSpec&) = default;
};

[[nodiscard]] Pooling parse_pooling(const std::string& name);  ///< "mean", "last"
[[nodiscard]] std::string to_string(Pooling pooling);

/// z = normalize(L (h - mu)).
struct Whitening {
  std::vector<float> mean;  ///< mu [d]
  Matrix projection;        ///< L [m, d] = diag(lambda + eps)^-1/2 U^T
};

/// Fits the whitening on rows of hidden states: the m leading principal directions.
/// @param h  [n, d], n at least 2;  @param m  at most d; eps = 1e-3 times the largest lambda
[[nodiscard]] Whitening fit_whitening(const Matrix& h, std::size_t m);

/// @param h  d numbers @return m numbers of norm 1; zeros when h is the mean itself
/// @throws Error InvalidArgument  wrong size, or numbers that are not finite
[[nodiscard]] std::vector<float> whiten(const Whitening& whitening, std::span<const float> h);
/// The same for each row: [n, d] to [n, m].
[[nodiscard]] Matrix whiten(const Whitening& whitening, const Matrix& h);

struct Gate {
  EmbeddingSpec embedding;
  Whitening whitening;
  Matrix keys;  ///< [N, m], rows of norm 1
  float temperature = 0.05f;
  float max_tilt = 0.5f;  ///< The a of a wholly familiar task, in 0..1; 1 without modulation ...
  bool modulated = true;  ///< ... where a = max_tilt whatever the familiarity.
  Matrix
      reference;  ///< [n, m] z of training prompts, for familiarity; may be empty (a = max_tilt).
  /// p [N], >= 0, their sum at most 1; empty: 1/N each. An adapter that was trained alone has 0,
  /// and those that are left where others were removed keep what they had
  /// (crayon/pool/edit_pool.h).
  std::vector<float> even = {};
  /// Weight of the pool's shared adapter, if it has one, for a wholly unfamiliar task, in 0..1;
  /// that of a wholly familiar one is 1.
  float shared_least = 1;

  [[nodiscard]] std::size_t size() const { return keys.rows; }
};

/// A gate without keys, of a pool without adapters, passes.
/// @throws Error InvalidArgument  shapes that do not fit, numbers not finite, keys not of norm 1,
///                                temperature <= 0, even shares that no gate has
void check_gate(const Gate& gate);

/// g [N] for one z [m]; >= 0, sum 1. @throws Error InvalidArgument  a gate without keys
[[nodiscard]] std::vector<float> gate_weights(const Gate& gate, std::span<const float> z);

struct TaskWeights {
  std::vector<float> weights;    ///< w [N], >= 0, sum 1 (less where Gate::even sums to less)
  std::vector<float> gate_mean;  ///< mean_k g(x_k), before modulation
  double familiarity = 1;        ///< In 0..1: 1 usual among the pool's training prompts.
  double tilt = 1;               ///< a = max_tilt * familiarity
};

/// Weights of a task from its examples' z [K, m], K at least 1.
/// Familiarity is min(1, 2 * mean_k rank_k), rank_k the Scope::local_rank of example k among the 12
/// prompts of gate.reference nearest to it. Weights below 0.002 are 0, so that what they would
/// blend costs no rank.
[[nodiscard]] TaskWeights task_weights(const Gate& gate, const Matrix& z);

/// Weight of the shared adapter where the others get w [N]: it follows from their sum, which for
/// the gate's own weights is the tilt, so that w alone still says what the blend is. Sums outside
/// 0..max_tilt count as the nearer end.
[[nodiscard]] float shared_weight(const Gate& gate, std::span<const float> weights);

/// Spherical k-means of rows of norm 1 (the best of eight k-means++ starts): N keys of norm 1.
/// @throws Error InvalidArgument  fewer rows than N
[[nodiscard]] Matrix spherical_kmeans(const Matrix& z, std::size_t n_keys, std::uint64_t seed);

/// The key of one adapter from z [K, m] of examples of what it was trained for: the direction of
/// their mean, which is the one centre that spherical k-means would find.
/// @throws Error InvalidArgument  no example, or a mean without direction
[[nodiscard]] std::vector<float> key_of(const Matrix& z);

/// Keys of another space, from prompts that were embedded in both: key i becomes the mean of the
/// new z, weighted by softmax over the prompts of <z_old, k_i> / temperature. So it points where
/// the prompts lie that it stood for.
/// @param old_z  [n, m] in the gate's space  @param new_z  [n, m'] of the same prompts
/// @throws Error InvalidArgument  sizes that do not fit, no prompt, a mean without direction
[[nodiscard]] Matrix move_keys(const Gate& gate, const Matrix& old_z, const Matrix& new_z);

}  // namespace crayon
