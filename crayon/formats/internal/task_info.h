// TaskInfo as crayon.* metadata of a GGUF. Texts and single numbers stand in one JSON text,
// crayon.task; numbers in bulk are arrays:
//   crayon.weights f32 [N]             crayon.recent_scores f64
//   crayon.whitening.mean f32 [d]      crayon.whitening.projection f32 [m * d]
//   crayon.scope.examples f32 [K * m]  crayon.scope.sizes u64, .quantiles f32 [sizes * L]
//   crayon.head.labels u64, .bias f32, .probe f32 [labels * (m+1)], .choice_probe f32 [d] (format 2
//   alone)
//   crayon.judged.signals f64 [n * 3]: top, margin, entropy; .marks u64 [n]: sum of right 1, server
//   asked 2, server right 4, held out 8, free text 16
// What files of older programs lack (generic, server, judged, scope model) is left empty.
#pragma once

#include <map>
#include <string>

#include "crayon/formats/gguf.h"
#include "crayon/formats/task_file.h"

namespace crayon {

inline constexpr const char* kTaskVersionKey = "crayon.format_version";

void put_task_info(const TaskInfo& info, std::map<std::string, GgufValue>& metadata);

/// @throws Error CorruptFile, Unsupported (a newer version)
[[nodiscard]] TaskInfo read_task_info(const Gguf& gguf);

/// Do the sizes fit each other, and are the numbers ones that a task can have?
/// @throws Error CorruptFile  naming `file` and what does not fit
void check_task_info(const TaskInfo& info, const std::string& base_id, const std::string& file);

}  // namespace crayon
