// Traffic that is not all of one task: which tasks are near and far of one, and a mix of the three.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "crayon/bench/route/plan.h"
#include "crayon/bench/task.h"

namespace crayon {

/// Indices of the other tasks: those of the same family, and the rest.
struct Neighbours {
  std::vector<std::size_t> near;
  std::vector<std::size_t> far;
};
/// @param families  of each task; "": near to nothing
[[nodiscard]] Neighbours neighbours_of(const std::vector<std::string>& families, std::size_t task);

/// The families of the plan's tasks, in their order.
[[nodiscard]] std::vector<std::string> families_of(const RoutePlan& plan);

struct MixedRow {
  std::size_t task = 0;
  std::size_t question = 0;  ///< Index into that task's.
  bool near = false;
};

/// Questions of others beside which those of a task make traffic that is half its own, a quarter
/// near and a quarter far: as many near as far ones, together as many as the task has questions,
/// or as there are. Drawn without replacement, the same ones in every run; empty where the task has
/// no near or no far one.
[[nodiscard]] std::vector<MixedRow> draw_mixed(const std::vector<BenchTask>& tasks,
                                               const std::vector<std::string>& families,
                                               std::size_t task);

}  // namespace crayon
