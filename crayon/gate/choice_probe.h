// The choice probe: which direction of the choices' own states speaks for the right one, learnt
// from labelled examples without a gradient of the model.
//   score'_c = score_c + <v, phi_c>    phi_c [d] = x_c / rms(x_c), less its mean over the choices
// x_c [d] is ScoredChoice::state. A conditional logit (McFadden 1974) with a ridge; what its
// features are, and the constants: ours (docs/design/customize.md).
#pragma once

#include <span>
#include <vector>

#include "crayon/base/matrix.h"

namespace crayon {

/// A labelled example: its choices' scores and states [choices, d].
struct AnsweredChoices {
  std::vector<float> scores;
  Matrix states;
  int answer = 0;
};

struct ChoiceProbe {
  std::vector<float> direction;  ///< v [d]
  /// Scores of each example's choices by a probe that did not see it: one Newton step from the
  /// common one (approximate leave-one-out: Rad and Maleki 2020), which a ridge makes near exact.
  std::vector<std::vector<float>> without_each;
};

/// minimise sum_k -log softmax(s_k + Phi_k u / sigma)[answer_k] + 100 |u|^2 / 2,
/// sigma the root mean square of all features;  v = u / sigma. The scores' own scale stays 1:
/// fitted to few examples it could vanish, and what the model knows with it.
/// Takes about 24 bytes times the number of choices in all times min(that, d).
/// @throws Error InvalidArgument  no example, sizes that do not fit, numbers that are not finite
/// @throws Interrupted  on Ctrl-C
[[nodiscard]] ChoiceProbe fit_choice_probe(std::span<const AnsweredChoices> examples);

/// <v, phi_c> of a question's choices. @param states  [choices, d]
/// @throws Error InvalidArgument  sizes that do not fit
[[nodiscard]] std::vector<float> apply_choice_probe(std::span<const float> direction,
                                                    const Matrix& states);

}  // namespace crayon
