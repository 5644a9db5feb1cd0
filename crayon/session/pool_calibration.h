// The pool's generic calibration: how sure a task may be of its answers before anything is known of
// it, fitted on sets of labelled questions that each play a user's task.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "crayon/engine/engine.h"
#include "crayon/pool/pool.h"
#include "crayon/prompt/example.h"
#include "crayon/router/router.h"
#include "crayon/session/scoring.h"

namespace crayon {

struct PoolCalibration {
  Calibration calibration;
  std::size_t sets = 0;      ///< That played a task.
  std::size_t left_out = 0;  ///< Sets with too few labelled questions.
  double accuracy = 0;       ///< Of all the questions.
};

/// Makes a task from the first k labelled examples of each set, as customize() does, and fits one
/// line to its answers to the others, a third as many at least. Sets with fewer are left out.
/// @throws Error InvalidArgument  no set of so many examples with choices and an answer
/// @throws Error Incompatible     the model is not the pool's base
/// @throws Interrupted            between two prompts
[[nodiscard]] PoolCalibration fit_pool_calibration(Pool& pool, const Model& model, Engine& engine,
                                                   std::span<const std::vector<Example>> sets,
                                                   std::size_t k,
                                                   const OnProgress& on_progress = {});

}  // namespace crayon
