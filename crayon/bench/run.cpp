#include "crayon/bench/run.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <chrono>
#include <set>
#include <utility>

#include "crayon/base/error.h"
#include "crayon/base/interrupt.h"
#include "crayon/base/sha256.h"
#include "crayon/bench/internal/earlier.h"
#include "crayon/bench/internal/work_out.h"
#include "crayon/bench/train_lora.h"

namespace crayon {

namespace {

using Json = nlohmann::json;

/// A cell, what decides its result, and the result as far as it is known.
struct Planned {
  BenchCell cell;
  Json key;
  std::string hash;
  std::optional<BenchResult> result;
};

class Runner {
 public:
  Runner(const BenchPlan& plan, Pool& pool, const Model& model, Engine& engine,
         const BenchTools& tools, const ResultStore& store, RunOptions options)
      : plan_(plan),
        pool_(pool),
        tools_(tools),
        store_(store),
        options_(std::move(options)),
        scorer_(model, engine, pool.manifest().prompt, store,
                {.scoring = plan.scoring,
                 .context_tokens = options_.context_tokens,
                 .exact = plan.exact,
                 .first_layer = pool.manifest().first_layer}),
        work_(pool, tools, store, scorer_, options_) {
    (void)check_base(pool.manifest().base, model.base(),
                     fmt::format("pool '{}'", pool.folder().string()));
    if (tools.multitask != nullptr) {
      (void)check_base(tools.multitask->manifest().base, model.base(), "the multitask pool");
    }
  }

  BenchRun run(const OnCell& on_cell);

 private:
  void take_tasks();
  [[nodiscard]] std::string why_missing(const Method& method);
  [[nodiscard]] Json key_of(const BenchCell& cell, const std::vector<BenchRow>& examples) const;
  [[nodiscard]] std::vector<Planned> planned_cells();
  void work_out_all(std::vector<Planned>& cells, const OnCell& on_cell);
  void reach_server(const std::vector<Planned>& cells);
  void count_seen(const BenchCell& cell, BenchResult& result) const;

  const BenchPlan& plan_;
  Pool& pool_;
  const BenchTools& tools_;
  const ResultStore& store_;
  RunOptions options_;
  BenchScorer scorer_;
  CellWork work_;
  BenchRun run_;
  std::vector<std::string> question_hashes_;
  std::vector<std::string> training_hashes_;
  std::vector<std::pair<const Method*, std::string>> missing_;  ///< Why each method cannot run; "".
};

void Runner::take_tasks() {
  run_.tasks = options_.tasks.empty() ? load_tasks(plan_) : std::move(options_.tasks);
  assert(run_.tasks.size() == plan_.tasks.size());
  for (const BenchTask& task : run_.tasks) {
    question_hashes_.push_back(hash_rows(task.questions));
    training_hashes_.push_back(hash_rows(task.training));
  }
}

std::string Runner::why_missing(const Method& method) {
  const auto known =
      std::ranges::find(missing_, &method, [](const auto& one) { return one.first; });
  if (known != missing_.end()) return known->second;
  std::string why = method.missing == nullptr ? "" : method.missing(pool_, tools_);
  if (why.empty() && method.scores_by_mean && plan_.scoring != Scoring::Mean) {
    why = fmt::format("it scores choices by 'mean', not by '{}'", to_string(plan_.scoring));
  }
  return missing_.emplace_back(&method, std::move(why)).second;
}

/// Equal keys are equal work on whatever machine: a pool's id says nothing of its prompts.
Json Runner::key_of(const BenchCell& cell, const std::vector<BenchRow>& examples) const {
  const PromptFormat& format = pool_.manifest().prompt;
  Json key = {{"kind", "result"},
              {"method", cell.method->name},
              {"version", cell.method->version},
              {"prompt",
               {format.version, format.style == PromptStyle::Chat, format.system,
                format.with_context, format.without_context, format.choice_prefix}},
              {"model", scorer_.model().base().sha256},
              {"scoring", to_string(plan_.scoring)},
              {"context", options_.context_tokens},
              {"examples", hash_rows(examples)},
              {"training", training_hashes_[cell.task]},
              {"questions", question_hashes_[cell.task]},
              {"seed", cell.seed},
              {"label_calibration", kLabelCalibrationVersion}};
  if (cell.method->of_pool) {
    key["pool"] = pool_.manifest().id;
  } else {
    key["first_layer"] = pool_.manifest().first_layer;
  }
  if (plan_.exact) key["exact"] = true;
  if (cell.method->uses == Method::Uses::Multitask) {
    const std::string& id =
        tools_.multitask == nullptr ? options_.multitask : tools_.multitask->manifest().id;
    if (!id.empty()) key["multitask"] = id;
  }
  if (cell.method->uses == Method::Uses::Server) key["server"] = options_.server;
  if (cell.method->trains_on != nullptr) {  // where no row is long, older results hold
    const auto rows = cell.method->trains_on(examples, run_.tasks[cell.task].training);
    const int tokens = tokens_to_train(scorer_.model(), format, rows);
    if (tokens > kUsualTokens) key["max_tokens"] = tokens;
  }
  return key;
}

/// All cells with what is known of them; those of methods that cannot run and have no result are
/// left out.
std::vector<Planned> Runner::planned_cells() {
  std::vector<Planned> all;
  std::set<const Method*> known;
  EarlierCells earlier(options_.earlier);
  for (const BenchCell& cell : cells_of(plan_)) {
    throw_if_interrupted();
    const Json key = key_of(cell, draw_examples(run_.tasks[cell.task], cell.k, cell.seed));
    const std::string hash = sha256_hex(std::string_view(key.dump()));
    std::optional<BenchResult> result = earlier.take(hash, run_.tasks[cell.task].questions);
    if (!result) {
      if (const auto found = store_.get(key)) result = from_stored(*found);
    }
    if (result) known.insert(cell.method);
    all.push_back({cell, key, hash, std::move(result)});
  }
  for (const TakenOver& counts : earlier.counts()) {
    if (options_.on_taken_over) options_.on_taken_over(counts);
  }
  std::erase_if(all, [&](const Planned& one) {
    return !why_missing(*one.cell.method).empty() && !known.contains(one.cell.method);
  });
  for (const auto& [method, why] : missing_) {
    if (!why.empty() && !known.contains(method)) run_.missing.push_back({method->name, why});
  }
  return all;
}

/// A server that is not there is better found now than after the hours that other cells take.
void Runner::reach_server(const std::vector<Planned>& cells) {
  const auto found = std::ranges::find_if(cells, [&](const Planned& one) {
    return !one.result && one.cell.method->uses == Method::Uses::Server &&
           why_missing(*one.cell.method).empty();
  });
  if (found == cells.end()) return;
  try {
    (void)tools_.remote->models();
  } catch (const Error& error) {
    if (error.code() != ErrorCode::Unavailable) return;  // it is there, but has no list of models
    throw Error(error.code(),
                fmt::format("method '{}': {}; nothing was worked out: start the server, or leave "
                            "the method out with --methods",
                            found->cell.method->name, error.what()));
  }
}

/// Until the slice ends. A method that cannot run is passed over: what it has is an earlier run's.
void Runner::work_out_all(std::vector<Planned>& cells, const OnCell& on_cell) {
  const auto start = options_.now();
  auto done = static_cast<std::size_t>(
      std::ranges::count_if(cells, [](const Planned& one) { return one.result.has_value(); }));
  bool is_reached = false;
  for (Planned& one : cells) {
    if (one.result || !why_missing(*one.cell.method).empty()) continue;
    throw_if_interrupted();
    if (options_.slice && options_.now() - start >= *options_.slice) break;
    if (!std::exchange(is_reached, true)) reach_server(cells);
    const BenchTask& task = run_.tasks[one.cell.task];
    if (on_cell) {
      on_cell(done++, cells.size(), fmt::format("{} {}", task.name, one.cell.method->name));
    }
    try {
      one.result = work_.work_out(*one.cell.method, task,
                                  draw_examples(task, one.cell.k, one.cell.seed), one.cell.seed);
    } catch (const Error& error) {
      throw Error(error.code(), fmt::format("task '{}', method '{}': {}", task.name,
                                            one.cell.method->name, error.what()));
    }
    store_.put(one.key, stored(*one.result));
  }
  if (on_cell) on_cell(done, cells.size(), "");
}

/// Not part of what is kept of a result: what a method sees is said by the method.
void Runner::count_seen(const BenchCell& cell, BenchResult& result) const {
  const BenchTask& task = run_.tasks[cell.task];
  switch (cell.method->sees) {
    case Method::Sees::Nothing:
      result.cost.texts = result.cost.labels = 0;
      break;
    case Method::Sees::Texts:
      result.cost.texts = cell.k;
      result.cost.labels = 0;
      break;
    case Method::Sees::Labels:
      result.cost.texts = result.cost.labels = cell.k;
      break;
    case Method::Sees::Training:
      result.cost.texts = result.cost.labels = cell.method->trains_on({}, task.training).size();
      break;
  }
}

BenchRun Runner::run(const OnCell& on_cell) {
  take_tasks();
  std::vector<Planned> cells = planned_cells();
  work_out_all(cells, on_cell);
  run_.planned = cells.size();
  std::set<std::string> abandoned;
  for (Planned& one : cells) {
    if (!one.result) {
      const std::string why = why_missing(*one.cell.method);
      if (!why.empty() && abandoned.insert(one.cell.method->name).second) {
        run_.abandoned.push_back({one.cell.method->name, why});
      }
      continue;
    }
    BenchResult& result = run_.results.emplace_back(std::move(*one.result));
    result.task = run_.tasks[one.cell.task].name;
    result.method = one.cell.method->name;
    result.k = one.cell.k;
    result.seed = one.cell.seed;
    result.key = one.hash;
    count_seen(one.cell, result);
  }
  return std::move(run_);
}

}  // namespace

std::vector<BenchTask> load_tasks(const BenchPlan& plan) {
  std::size_t most = 0;
  for (const BenchGrid& grid : plan.grids) {
    for (const std::size_t k : grid.k) most = std::max(most, k);
  }
  return load_tasks(plan.tasks, plan.questions, most);
}

BenchRun run_bench(const BenchPlan& plan, Pool& pool, const Model& model, Engine& engine,
                   const BenchTools& tools, const ResultStore& store, RunOptions options,
                   const OnCell& on_cell) {
  return Runner(plan, pool, model, engine, tools, store, std::move(options)).run(on_cell);
}

}  // namespace crayon
