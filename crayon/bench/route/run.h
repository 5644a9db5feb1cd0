// Works out what a plan of `crayon bench route` asks of both sides.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "crayon/base/matrix.h"
#include "crayon/bench/result_store.h"
#include "crayon/bench/route/answers.h"
#include "crayon/bench/route/plan.h"
#include "crayon/bench/route/traffic.h"
#include "crayon/bench/run.h"
#include "crayon/engine/engine.h"
#include "crayon/pool/pool.h"
#include "crayon/remote/remote.h"

namespace crayon {

/// A larger LLM, known by its model's name: the port of one on loopback changes from run to run.
struct RouteServer {
  std::string name;
  Remote* remote = nullptr;  ///< Null: only what it answered before is there.
};

/// Finished results of another run, with their keys.
struct EarlierRoutes {
  std::string name;  ///< Of their file, for messages.
  std::vector<DeviceResult> device;
  std::vector<ServerResult> servers;
};

struct RouteRun {
  std::vector<BenchTask> tasks;              ///< In the plan's order.
  std::vector<std::string> families;         ///< Of each; "" none.
  std::vector<std::string> servers;          ///< Those that answered or could have.
  std::vector<std::vector<MixedRow>> mixed;  ///< [tasks] what stands beside a task's questions.
  ScopeModel scope;                          ///< The pool's.
  std::vector<Matrix> question_z;            ///< [tasks] z of the questions.
  /// [tasks][seeds] z of the first examples of each draw: K, or what scope is tried with.
  std::vector<std::vector<Matrix>> example_z;
  std::vector<DeviceResult> device;  ///< What is done, in the order of the work.
  std::vector<ServerResult> server;
  std::size_t planned = 0;           ///< Results; more than there are: partial.
  std::vector<Unavailable> missing;  ///< Servers that lack answers and could not be asked.
};

struct RouteRunOptions {
  int context_tokens = 2048;
  std::string machine = {};  ///< CPU and threads, for the results that are worked out.
  /// load_tasks() of the plan's tasks, questions and k; none: they are loaded.
  std::vector<BenchTask> tasks = {};
  /// Where results are looked for first, in this order.
  std::vector<EarlierRoutes> earlier = {};
  std::function<void(const TakenOver&)> on_taken_over = {};  ///< Once for each, before any work.
  std::optional<std::chrono::duration<double>> slice = {};   ///< As RunOptions::slice.
  Clock now = std::chrono::steady_clock::now;                ///< For the slice alone.
};

/// Works out what neither earlier results nor the store hold: seed by seed and task by task, first
/// the device, then each server. Every answer of a server is put into the store before the next
/// question. At the end the rows are embedded.
/// @throws Error InvalidArgument  a task that cannot be read or has too few examples; two servers
///                                of one name
/// @throws Error Incompatible     the model is not the base of the pool
/// @throws Error CorruptFile      an earlier result with the key of a cell but of another shape
/// @throws Error Unavailable      a server fails, or the device's numbers are not finite
/// @throws Interrupted            what is done is kept
[[nodiscard]] RouteRun run_route(const RoutePlan& plan, Pool& pool, const Model& model,
                                 Engine& engine, const std::vector<RouteServer>& servers,
                                 const ResultStore& store, RouteRunOptions options = {},
                                 const OnCell& on_cell = {});

}  // namespace crayon
