// A task's own examples as the router would have seen them: what it is calibrated and started with.
#pragma once

#include <span>
#include <vector>

#include "crayon/gate/scope_model.h"
#include "crayon/router/router.h"
#include "crayon/router/threshold.h"
#include "crayon/session/candidates.h"
#include "crayon/store/decisions.h"

namespace crayon::internal {

/// As the router defines them, of a request that is in the log.
[[nodiscard]] ChoiceSignals raw_signals(const DecisionRecord& record);

/// Router scores of the scored examples: the labelled ones after a comparison, else all.
[[nodiscard]] std::vector<double> router_scores(const ScoreTable& scores, const ChoiceData& data,
                                                bool compared, const Calibration& calibration,
                                                const ScopeModel& model);

/// The labelled examples as the router would have seen them, each judged without itself.
[[nodiscard]] std::vector<JudgedSignals> judged_examples(const ScoreTable& scores,
                                                         const ChoiceData& data);

}  // namespace crayon::internal
