// Better blend weights from labelled examples without a gradient of the model (ours;
// the reasons for each choice are in docs/design/customize.md).
//   scores of example k at weights w:  s_k(w) ~ s_k(w0) + sum_i (w_i - w0_i) D_ki    [choices]
//   D_ki = (s_k(w0 + step e_i) - s_k(w0)) / step,   w0 the gate's weights, step 1/N
//   fit: mean_k -log softmax(beta s_k(w))[answer_k] + |w - w0|^2 / (2 n spread^2)
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "crayon/session/candidates.h"

namespace crayon {

/// Scores at w0 and their slopes for the labelled examples.
struct Linearised {
  std::vector<float> w0;           ///< [N]
  ScoreTable at_w0;                ///< [n][choices]
  std::vector<ScoreTable> slopes;  ///< D, [N][n][choices]
  std::vector<int> answers;        ///< [n]
};

struct RefineOptions {
  std::vector<double> spreads = {0.25, 0.5, 1.0,
                                 2.0};  ///< Of the prior on w - w0, in units of 1/N.
  int newton_steps = 30;
};

/// Weights fitted on all examples, and for each example those fitted without it.
struct Refined {
  std::vector<float> weights;                    ///< [N]; may leave the simplex
  std::vector<std::vector<float>> without_each;  ///< [n][N]
  double spread = 0;                             ///< Chosen by leave-one-out on the linear scores.
  double linear_log_loss = 0;                    ///< Leave-one-out, on the linear scores.
};

/// Solves the convex problem for each spread, all and leave-one-out, and takes the best spread.
/// Costs O(n * (n N^2 choices)) a spread: milliseconds to a second.
/// @throws Error InvalidArgument  fewer than 2 examples, or sizes that do not fit
[[nodiscard]] Refined refine_weights(const Linearised& data, const RefineOptions& options = {});

/// What scores the labelled examples at given weights (true scores, one pass of the model each).
using ScoreAt = std::function<ScoreTable(std::span<const float> weights)>;

/// N passes: one weight is moved by 1/N in each.
[[nodiscard]] Linearised linearise(std::span<const float> w0, const ScoreTable& at_w0,
                                   std::span<const int> answers, const ScoreAt& score_at);

}  // namespace crayon
