// A trained pool to a folder: adapters, gate, generic models, and how it was made.
#pragma once

#include <iosfwd>
#include <span>

#include "crayon/gate/scope_model.h"
#include "crayon/router/router.h"
#include "crayon/trainer/internal/checkpoint.h"
#include "crayon/trainer/internal/validate.h"

namespace crayon {

/// The gate as inference uses it: keys as they are now, with the prompts' z for familiarity.
[[nodiscard]] Gate make_gate(const TrainConfig& config, const Whitening& whitening,
                             const Matrix& keys, const Matrix& reference);

/// What a pool knows of tasks in general, from its validation sets.
struct GenericModels {
  Calibration calibration = {};
  ScopeModel scope = {};
};

/// By all workers together: for each set, 32 validation rows play the user's examples and give w;
/// the scores of the other rows are fitted to right and wrong, the embeddings of all to what is in
/// scope.
[[nodiscard]] GenericModels fit_generic_models(const ValidationInputs& in, const Gate& gate,
                                               std::span<const ItemSet> sets, std::ostream& notes);

/// Writes the pool over what is in the folder. Holds no time, path or machine: the same run gives
/// the same bytes.
void export_pool(const ValidationInputs& in, const Gate& gate, const GenericModels& generic,
                 const BaseModel& base, const Checkpoint& run, std::span<const ItemSet> sets);

}  // namespace crayon
