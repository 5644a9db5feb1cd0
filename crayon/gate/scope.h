// Scope: how likely a request belongs to the task. Cosine similarity of z to its nearest few task
// examples against the leave-one-out similarities of the examples themselves: a conformal p-value,
// joined with what a pool has seen of other tasks, where it has (scope_model.h).
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "crayon/base/matrix.h"
#include "crayon/gate/scope_model.h"

namespace crayon {

/// The fewest examples that can give a p-value below `level`, 1 / (n + 1) < level without a model:
/// with fewer, no request counts as not of the task. 0 for level 0, below which nothing can be.
[[nodiscard]] std::size_t scope_examples_needed(double level, const ScopeModel& model = {});

class Scope {
 public:
  /// @param examples  z [n, m] of the task's examples, rows of norm 1, n at least 2
  /// @param neighbours  how many nearest examples are averaged; cut to n - 1
  explicit Scope(Matrix examples, ScopeModel model = {}, std::size_t neighbours = 3);

  /// Mean cosine similarity to the nearest examples.
  [[nodiscard]] double similarity(std::span<const float> z) const;
  /// similarity() / the mean leave-one-out similarity of the examples (at least 0.05): u.
  [[nodiscard]] double relative_similarity(std::span<const float> z) const;
  /// Small means not of the task. p = (1 + number of examples at most as similar) / (n + 1); where
  /// the model knows n, (n p + c g) / (n + c) of that, g its share of other tasks' own requests at
  /// most as similar, c = kScopeModelExamples (ours).
  [[nodiscard]] double p_value(std::span<const float> z) const;
  /// Share of the `nearby` examples most similar to z that are themselves no more similar to their
  /// own nearest than z is, in 0..1. About one half for one more of a kind that is among the
  /// examples, however dense that kind lies beside others (ours, after the local outlier factor of
  /// Breunig et al. 2000).
  [[nodiscard]] double local_rank(std::span<const float> z, std::size_t nearby) const;
  /// The least p-value that n examples can give: 1 / (n + 1), or as p_value() where g is 0.
  [[nodiscard]] double least_p_value() const;
  [[nodiscard]] const Matrix& examples() const { return examples_; }

 private:
  [[nodiscard]] double relative(double similarity) const;

  Matrix examples_;
  std::size_t neighbours_;
  ScopeModel model_;
  std::vector<double> own_;     ///< Leave-one-out similarities, in the order of the examples ...
  std::vector<double> sorted_;  ///< ... and ascending.
  double own_mean_ = 0;
};

/// p-value of each row of z [n, m] against the other rows; none where n is below 3.
[[nodiscard]] std::vector<double> p_values_among_others(const Matrix& z,
                                                        const ScopeModel& model = {});

}  // namespace crayon
