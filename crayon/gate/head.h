// The head for choices: small corrections that a task's examples allow, applied to the scores of
// the choices. Labels are known by a hash of their text; no text is kept.
//   label calibration: score'_c = score_c - bias(label of c), bias = the label's mean score over
//   the user's unlabelled examples; probe: a linear map from z to labels (ridge); choice probe: a
//   direction of the choices' own states (choice_probe.h).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "crayon/base/matrix.h"

namespace crayon {

/// Hash of a label's text, ignoring case and outer blanks: the first 8 bytes of its SHA-256.
[[nodiscard]] std::uint64_t label_hash(std::string_view label);

struct Head {
  std::vector<std::uint64_t> labels;  ///< Ascending; empty: no bias and no probe.
  std::vector<float> bias;            ///< Label calibration, one a label; empty: none.
  Matrix probe;                       ///< [labels, m + 1], last column the constant; empty: none.
  float probe_weight = 0;  ///< Share of the probe's scores: score + probe_weight * probe.

  std::vector<float> choice_probe;  ///< v [d]; empty: none.

  [[nodiscard]] bool empty() const { return labels.empty() && choice_probe.empty(); }
};

/// One head with the labels of both: bias and probe of each, 0 where a label has none. An empty
/// head gives the other one. @throws Error InvalidArgument  both have a bias, a probe or a choice
///                                                          probe
[[nodiscard]] Head join_heads(const Head& a, const Head& b);

/// Scores of the choices with the head applied; a label that the head does not know gets bias 0 and
/// probe 0. @param z may be empty when there is no probe.
/// @param states  [choices, d] of the choices; may be empty when there is no choice probe
/// @throws Error InvalidArgument  sizes that do not fit
[[nodiscard]] std::vector<float> apply_head(const Head& head, std::span<const std::string> choices,
                                            std::span<const float> scores, std::span<const float> z,
                                            const Matrix& states = {});

/// One example's choices with their scores (mean log-prob per token).
struct ScoredChoices {
  std::vector<std::string> choices;
  std::vector<float> scores;
};

/// Do the examples share labels? True when their choices, taken together, repeat enough for a mean
/// score to mean something: at least half of all labels occur in two or more examples.
[[nodiscard]] bool share_labels(std::span<const ScoredChoices> examples);

/// Label calibration from unlabelled examples. Each label's bias is 0.85 times its mean of (score
/// minus the example's mean score), shrunk by n / (n + within / between): the variances of these
/// differences within a label and between labels, as the examples show them (random effects, ANOVA
/// estimator: Searle, Casella and McCulloch 1992, section 3.6; ours: less the standard error that
/// `between` has where no label leans). Where scores differ because questions do and not because
/// labels do, little is taken away. Empty head when labels are not shared, or lean no more than
/// chance explains.
[[nodiscard]] Head fit_label_calibration(std::span<const ScoredChoices> examples);

/// Label calibration where answers are known: biases that make them likely (ours).
///   minimise sum_k -log softmax(beta (s_k - b0) + v)[answer_k] + |v|^2 / 2 + (beta - 2)^2 / 8
///   bias = b0 - v / beta, b0 the prior's bias
/// Few answers stay near the prior (fit_label_calibration of all examples), many leave it behind:
/// unlike it, they tell how frequent each label is. Empty head when labels are not shared.
/// @param answers  index of the right choice, below 0 without one
/// @throws Error InvalidArgument  sizes that do not fit, numbers that are not finite
[[nodiscard]] Head fit_label_biases(std::span<const ScoredChoices> examples,
                                    std::span<const int> answers, const Head& prior);

/// Counted up when fit_label_calibration gives other biases: results that rest on it are keyed by
/// it.
inline constexpr int kLabelCalibrationVersion = 2;

/// Probe from labelled examples: ridge regression of one-hot labels on z, one row a distinct label,
/// the constant not penalised (Hoerl and Kennard 1970). `bias` stays empty; `probe_weight` is 1 and
/// the caller's to set.
/// @param z  [n, m], n at least 1;  @param labels  text of the right label, one a row
/// @param lambda  penalty, above 0
/// @throws Error InvalidArgument  sizes that do not fit, numbers that are not finite
[[nodiscard]] Head fit_probe(const Matrix& z, std::span<const std::string> labels,
                             double lambda = 1.0);

}  // namespace crayon
