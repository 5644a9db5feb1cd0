// What a run of the benchmark works out: which methods on which tasks, with how many examples.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "crayon/bench/method.h"
#include "crayon/bench/scoring.h"
#include "crayon/bench/task.h"
#include "crayon/formats/gguf.h"

namespace crayon {

/// Every method with every K and seed.
struct BenchGrid {
  std::vector<const Method*> methods;
  std::vector<std::size_t> k;
  std::vector<std::uint64_t> seeds;
};

struct BenchPlan {
  std::vector<TaskEntry> tasks;
  std::size_t questions = 150;  ///< A task, at most; 0: all.
  Scoring scoring = Scoring::Mean;
  /// What the model's weights are turned into before they are computed with; none: as in the file.
  std::optional<TensorType> number_type = {};
  bool exact = false;  ///< EngineOptions::exact
  std::vector<BenchGrid> grids;
};

/// A plan as TOML:
///   tasks = "tasks.toml"   only = ["openbookqa", ...]   questions = 150   scoring = "mean"
///   number_type = "bf16"
///   [[grid]]
///   methods = ["base", "crayon"]   k = [32]   seeds = [1, 2, 3]      (methods = ["all"]: all)
/// @throws Error NotFound, InvalidArgument (file, line, what was expected)
[[nodiscard]] BenchPlan read_plan(const std::filesystem::path& toml);

/// "file" is none; others as parse_tensor_type. @throws Error InvalidArgument
[[nodiscard]] std::optional<TensorType> parse_number_type(const std::string& name);
[[nodiscard]] std::string number_type_name(const std::optional<TensorType>& type);

/// One thing to work out.
struct BenchCell {
  std::size_t task = 0;  ///< Index into the plan's tasks.
  const Method* method = nullptr;
  std::size_t k = 0;
  std::uint64_t seed = 0;
};

/// The cells of a plan, each once: seed by seed and task by task, so that a run that is stopped
/// early has whole columns. Methods that see no examples have a cell for each K and seed too: their
/// label calibration differs, and what is the same is worked out once (store.h).
[[nodiscard]] std::vector<BenchCell> cells_of(const BenchPlan& plan);

/// Only the tasks of these names stay. @throws Error InvalidArgument  an unknown name
void keep_tasks(BenchPlan& plan, const std::vector<std::string>& names);

}  // namespace crayon
