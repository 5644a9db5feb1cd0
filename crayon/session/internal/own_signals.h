// A task's own examples as the router would have seen them: what it is calibrated and started with.
#pragma once

#include <span>
#include <vector>

#include "crayon/gate/scope_model.h"
#include "crayon/router/router.h"
#include "crayon/router/threshold.h"
#include "crayon/session/candidates.h"

namespace crayon::internal {

/// Router scores of the scored examples: the labelled ones after a comparison, else all.
[[nodiscard]] std::vector<double> router_scores(const ScoreTable& scores, const ChoiceData& data,
                                                bool compared, const Calibration& calibration,
                                                const ScopeModel& model);

/// The labelled examples as the router would have seen them, each judged without itself.
[[nodiscard]] std::vector<JudgedSignals> judged_examples(const ScoreTable& scores,
                                                         const ChoiceData& data);

/// The prior calibration, shifted by what was got right.
[[nodiscard]] Calibration fit_to_judged(std::span<const JudgedSignals> judged,
                                        const Calibration& prior);

}  // namespace crayon::internal
