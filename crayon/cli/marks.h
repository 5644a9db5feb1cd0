// What `crayon calibrate` and `crayon feedback` share: a task's marks, and its file fitted to them.
#pragma once

#include <filesystem>
#include <span>
#include <vector>

#include "crayon/cli/report.h"
#include "crayon/session/scoring.h"
#include "crayon/session/tasks.h"
#include "crayon/store/decisions.h"

namespace crayon {

/// Marks of this task's answers, of the kind that its labels have: choices, or free text. Warns
/// where there are both.
[[nodiscard]] std::vector<JudgedSignals> marks_of(const OpenTask& task,
                                                  std::span<const JudgedDecision> marks);

/// Fits the task as recalibrate() does and writes it to `out` in one step; "": writes nothing. Runs
/// no model. @param task  of crayon's
/// @throws Error InvalidArgument  too few labels; as reading and writing a file
[[nodiscard]] CalibrateResult recalibrate_task(const OpenTask& task,
                                               std::span<const JudgedSignals> questions,
                                               std::span<const JudgedSignals> marks,
                                               const std::filesystem::path& out);

}  // namespace crayon
