// What `crayon bench route` works out: which tasks, from how many examples, against which servers.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "crayon/bench/task.h"
#include "crayon/formats/gguf.h"

namespace crayon {

struct RoutePlan {
  std::vector<TaskEntry> tasks;
  /// Of a task's name: tasks of one family are near each other, all others far. A task without one
  /// is near to nothing.
  std::map<std::string, std::string> families;
  std::size_t questions = 150;             ///< A task, at most; 0: all.
  std::size_t k = 32;                      ///< Labelled examples that a task is made from.
  std::vector<std::uint64_t> seeds = {1};  ///< Of the examples' draw.
  std::optional<TensorType> number_type;   ///< As BenchPlan::number_type.
  std::filesystem::path pool;              ///< Folder; "": whoever runs the plan says.
  std::vector<std::string> servers;        ///< Names of models, in the report's order.
  std::vector<double> shares = {0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9};  ///< Asked for.
  std::vector<double> risks = {0.05, 0.1, 0.2, 0.3};                           ///< The same.
  std::vector<std::size_t> scope_examples = {8, 16, 32, 64};
  std::size_t resamples = 1000;      ///< Of the bands.
  std::size_t risk_resamples = 400;  ///< Draws of calibration examples, for each task and seed.
};

/// A plan as TOML; all but tasks may be left out:
///   tasks = "tasks.toml"   only = ["medqa", ...]   questions = 150   k = 32   seeds = [1]
///   number_type = "bf16"   pool = "../pools/x"     servers = ["large", ...]
///   shares = [0.1, 0.5]    risks = [0.1]   scope_examples = [8, 32]
///   resamples = 1000       risk_resamples = 400
///   [families]
///   medicine = ["medqa", ...]
/// Paths are relative to the file. Families may name tasks that `only` leaves out.
/// @throws Error NotFound, InvalidArgument (file, line, what was expected)
[[nodiscard]] RoutePlan read_route_plan(const std::filesystem::path& toml);

/// Only the tasks of these names stay. @throws Error InvalidArgument  an unknown name
void keep_tasks(RoutePlan& plan, const std::vector<std::string>& names);

/// @throws Error InvalidArgument  no task, seed, or a number outside its range
void check_route_plan(const RoutePlan& plan);

}  // namespace crayon
