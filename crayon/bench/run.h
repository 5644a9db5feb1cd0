// Works out the cells of a plan.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "crayon/bench/method.h"
#include "crayon/bench/plan.h"
#include "crayon/bench/result.h"
#include "crayon/bench/result_store.h"

namespace crayon {

struct Unavailable {
  std::string method;
  std::string why;
};

/// Finished results of another run, with their keys.
struct EarlierResults {
  std::string name;  ///< Of their file, for messages.
  std::vector<BenchResult> results;
};

/// What became of them.
struct TakenOver {
  std::string name;
  std::size_t taken = 0;             ///< Cells of this plan that now have their result from it.
  std::size_t again = 0;             ///< Cells of this plan that one before already gave.
  std::size_t others = 0;            ///< Results of other work: no cell of this plan.
  std::vector<std::string> methods;  ///< Whose results `others` are, each once: methods, or sides.
};

struct BenchRun {
  std::vector<BenchTask> tasks;        ///< In the plan's order.
  std::vector<BenchResult> results;    ///< In the order of cells_of(), finished.
  std::vector<Unavailable> missing;    ///< Methods of the plan that could not run, and why.
  std::size_t planned = 0;             ///< Cells of the other methods; more than results: partial.
  std::vector<Unavailable> abandoned;  ///< Methods with results of earlier runs and cells without,
                                       ///< which cannot run here.
};

using Clock = std::function<std::chrono::steady_clock::time_point()>;

struct RunOptions {
  int context_tokens = 2048;
  /// What identifies the server, for the store; "" without one.
  std::string server = {};
  /// The multitask pool's id where BenchTools has none: earlier results of it are known by that.
  std::string multitask = {};
  std::string machine = {};           ///< CPU and threads, for the results that are worked out.
  std::vector<BenchTask> tasks = {};  ///< load_tasks() of the plan; none: they are loaded.
  /// Where results are looked for first, in this order; what is taken is not put into the store.
  std::vector<EarlierResults> earlier = {};
  /// Called once for each of them, before any work.
  std::function<void(const TakenOver&)> on_taken_over = {};
  /// No further cell is begun after this time; none: all are worked out.
  std::optional<std::chrono::duration<double>> slice = {};
  Clock now = std::chrono::steady_clock::now;  ///< For the slice alone.
};

/// Called before each cell that is worked out: how many are done, of how many, and what it is; once
/// more at the end.
using OnCell = std::function<void(std::size_t done, std::size_t total, const std::string& what)>;

/// The rows of a plan's tasks, in its order: what can be wrong with them shows without a model.
/// @throws Error InvalidArgument  a task that cannot be read or has too few examples; Interrupted
[[nodiscard]] std::vector<BenchTask> load_tasks(const BenchPlan& plan);

/// Works out the cells that neither earlier results nor the store hold, in the order of cells_of().
/// Everything that can be wrong with tasks, methods, pool and earlier results is found before the
/// first of them.
/// @throws Error InvalidArgument  a task that cannot be read or has too few examples
/// @throws Error Incompatible     the model is not the base of a pool
/// @throws Error CorruptFile      an earlier result with the key of a cell but of another shape
/// @throws Error Unavailable      there are cells to ask the server for, and it cannot be reached
/// @throws Interrupted            what is done is kept
[[nodiscard]] BenchRun run_bench(const BenchPlan& plan, Pool& pool, const Model& model,
                                 Engine& engine, const BenchTools& tools, const ResultStore& store,
                                 RunOptions options = {}, const OnCell& on_cell = {});

}  // namespace crayon
