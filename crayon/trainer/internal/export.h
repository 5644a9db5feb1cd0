// A trained pool to a folder: adapters, gate, generic calibration, and how it was made.
#pragma once

#include <iosfwd>
#include <span>

#include "crayon/router/router.h"
#include "crayon/trainer/internal/checkpoint.h"
#include "crayon/trainer/internal/validate.h"

namespace crayon {

/// The gate as inference uses it: keys as they are now, with the prompts' z for familiarity.
[[nodiscard]] Gate make_gate(const TrainConfig& config, const Whitening& whitening,
                             const Matrix& keys, const Matrix& reference);

/// The generic confidence model, by all workers together: for each set, 32 validation rows play the
/// user's examples and give w; the scores of the other rows are fitted to right and wrong.
[[nodiscard]] Calibration fit_generic_calibration(const ValidationInputs& in, const Gate& gate,
                                                  std::span<const ItemSet> sets,
                                                  std::ostream& notes);

/// Writes the pool over what is in the folder. Holds no time, path or machine: the same run gives
/// the same bytes.
void export_pool(const ValidationInputs& in, const Gate& gate, const Calibration& calibration,
                 const BaseModel& base, const Checkpoint& run, std::span<const ItemSet> sets);

}  // namespace crayon
