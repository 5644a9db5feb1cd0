// Works out the cells of a plan.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "crayon/bench/method.h"
#include "crayon/bench/plan.h"
#include "crayon/bench/store.h"

namespace crayon {

/// What a method cost on one task.
struct BenchCost {
  double customize_seconds = 0;
  double answer_seconds = 0;      ///< For all questions; the same when found again in the store.
  std::size_t answer_tokens = 0;  ///< Read for all questions, prompt and choices.
  std::size_t prompt_tokens = 0;  ///< Of these, the prompts'.
  std::size_t adapter_bytes = 0;  ///< In F16.
  std::size_t shots = 0;          ///< Examples in each prompt.
  std::size_t texts = 0;          ///< Examples whose texts were seen ...
  std::size_t labels = 0;         ///< ... and whose labels.
  std::size_t cut_questions = 0;
};

/// One method on one task with one draw of examples.
struct BenchResult {
  std::string task;
  std::string method;
  std::size_t k = 0;
  std::uint64_t seed = 0;
  ScoreTable scores;        ///< [questions][choices], head applied, before label calibration.
  ScoreTable calibrated;    ///< The same after it; equal where labels are not shared.
  bool calibrates = false;  ///< Do the task's examples share labels, and is it the switch's to use?
  std::vector<float> weights;  ///< [N], where the method has such.
  BenchCost cost;
};

struct Unavailable {
  std::string method;
  std::string why;
};

struct BenchRun {
  std::vector<BenchTask> tasks;      ///< In the plan's order.
  std::vector<BenchResult> results;  ///< In the order of tasks, K, methods, seeds.
  std::vector<Unavailable> missing;  ///< Methods of the plan that could not run, and why.
};

struct RunOptions {
  int context_tokens = 2048;
  /// What identifies the server, for the store; "" without one.
  std::string server = {};
};

/// Called before each cell that is not in the store: how many are done, of how many, and what it
/// is; once more at the end.
using OnCell = std::function<void(std::size_t done, std::size_t total, const std::string& what)>;

/// Works out all cells that the store does not hold. Everything that can be wrong with tasks,
/// methods and pool is found before the first of them.
/// @throws Error InvalidArgument  a task that cannot be read or has too few examples
/// @throws Error Incompatible     the model is not the base of a pool
/// @throws Interrupted            what is done is kept
[[nodiscard]] BenchRun run_bench(const BenchPlan& plan, Pool& pool, const Model& model,
                                 Engine& engine, const BenchTools& tools, const Store& store,
                                 const RunOptions& options = {}, const OnCell& on_cell = {});

}  // namespace crayon
