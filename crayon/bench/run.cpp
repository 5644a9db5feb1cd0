#include "crayon/bench/run.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <set>

#include "crayon/base/clock.h"
#include "crayon/base/error.h"
#include "crayon/base/interrupt.h"
#include "crayon/base/sha256.h"
#include "crayon/bench/internal/earlier.h"
#include "crayon/bench/train_lora.h"

namespace crayon {

namespace {

using Json = nlohmann::json;

/// A, B and their scales in F16, without the file's header.
std::size_t bytes_of(const Adapter& adapter) {
  std::size_t numbers = 0;
  for (const LoraTensor& t : adapter.tensors) numbers += t.a.data.size() + t.b.data.size();
  return 2 * numbers;
}

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
         const BenchTools& tools, const Store& store, const RunOptions& options)
      : plan_(plan),
        pool_(pool),
        tools_(tools),
        store_(store),
        options_(options),
        scorer_(model, engine, pool.manifest().prompt, store,
                {.scoring = plan.scoring,
                 .context_tokens = options.context_tokens,
                 .exact = plan.exact,
                 .first_layer = pool.manifest().first_layer}) {
    (void)check_base(pool.manifest().base, model.base(),
                     fmt::format("pool '{}'", pool.folder().string()));
    if (tools.multitask != nullptr) {
      (void)check_base(tools.multitask->manifest().base, model.base(), "the multitask pool");
    }
  }

  BenchRun run(const OnCell& on_cell);

 private:
  void load_tasks(const std::vector<BenchCell>& cells);
  [[nodiscard]] std::string why_missing(const Method& method);
  [[nodiscard]] Json key_of(const BenchCell& cell, const std::vector<BenchRow>& examples) const;
  [[nodiscard]] std::vector<Planned> planned_cells();
  void work_out_all(std::vector<Planned>& cells, const OnCell& on_cell);
  BenchResult work_out(const BenchCell& cell, const std::vector<BenchRow>& examples);
  void count_seen(const BenchCell& cell, BenchResult& result) const;
  RowScores answer(const BenchCell& cell, const Prepared& prepared,
                   const std::vector<BenchRow>& rows, std::span<const BenchRow> shots);
  ScoreTable score_examples(const BenchCell& cell, const Prepared& prepared,
                            const std::vector<BenchRow>& examples, std::span<const BenchRow> shots);
  RowScores answer_directly(const Prepared& prepared, const std::vector<BenchRow>& rows);
  void apply(const Head& head, const std::vector<BenchRow>& rows, RowScores& found);
  void calibrate(const std::vector<BenchRow>& examples, const ScoreTable& example_scores,
                 const std::vector<BenchRow>& questions, BenchResult& result);
  [[nodiscard]] Matrix z_of(const std::vector<BenchRow>& rows) {
    return whiten(pool_.gate().whitening, scorer_.embed(rows, pool_.gate().embedding));
  }

  const BenchPlan& plan_;
  Pool& pool_;
  const BenchTools& tools_;
  const Store& store_;
  const RunOptions& options_;
  BenchScorer scorer_;
  BenchRun run_;
  std::vector<std::string> question_hashes_;
  std::vector<std::string> training_hashes_;
  std::vector<std::pair<const Method*, std::string>> missing_;  ///< Why each method cannot run; "".
};

void Runner::load_tasks(const std::vector<BenchCell>& cells) {
  std::size_t most = 0;
  for (const BenchCell& cell : cells) most = std::max(most, cell.k);
  for (const TaskEntry& entry : plan_.tasks) {
    throw_if_interrupted();
    run_.tasks.push_back(load_task(entry, plan_.questions, most));
    question_hashes_.push_back(hash_rows(run_.tasks.back().questions));
    training_hashes_.push_back(hash_rows(run_.tasks.back().training));
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

RowScores Runner::answer_directly(const Prepared& prepared, const std::vector<BenchRow>& rows) {
  const Matrix z = z_of(rows);
  const auto start = std::chrono::steady_clock::now();
  RowScores found;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    throw_if_interrupted();
    try {
      found.scores.push_back(prepared.direct(rows[i], z.row(i)));
    } catch (const Error& error) {
      throw about_example(rows[i].example.id, error);
    }
  }
  found.seconds = seconds_since(start);
  return found;
}

RowScores Runner::answer(const BenchCell& cell, const Prepared& prepared,
                         const std::vector<BenchRow>& rows, std::span<const BenchRow> shots) {
  if (!prepared.head.choice_probe.empty()) {
    return scorer_.score_with_states(prepared.adapter ? &*prepared.adapter : nullptr, rows);
  }
  if (!prepared.direct) {
    return scorer_.score(prepared.adapter ? &*prepared.adapter : nullptr, rows, shots);
  }
  if (cell.method->sees != Method::Sees::Nothing) return answer_directly(prepared, rows);
  const Json key = {{"kind", "direct"},
                    {"method", cell.method->name},
                    {"version", cell.method->version},
                    {"server", options_.server},
                    {"rows", hash_rows(rows)}};
  RowScores found;
  if (const auto known = store_.get(key)) {
    known->at("scores").get_to(found.scores);
    known->at("seconds").get_to(found.seconds);
    return found;
  }
  found = answer_directly(prepared, rows);
  store_.put(key, {{"scores", found.scores}, {"seconds", found.seconds}});
  return found;
}

/// The K examples' own scores. Where examples stand in the prompt, none may stand in its own: each
/// half is scored behind the other one.
ScoreTable Runner::score_examples(const BenchCell& cell, const Prepared& prepared,
                                  const std::vector<BenchRow>& examples,
                                  std::span<const BenchRow> shots) {
  if (shots.empty()) return answer(cell, prepared, examples, {}).scores;
  const auto middle = examples.begin() + static_cast<std::ptrdiff_t>(examples.size() / 2);
  const std::vector<BenchRow> halves[] = {{examples.begin(), middle}, {middle, examples.end()}};
  ScoreTable scores;
  for (const int half : {0, 1}) {
    if (halves[half].empty()) continue;
    std::span<const BenchRow> before(halves[1 - half]);
    before = before.first(scorer_.fitting_shots(halves[half], before));
    for (auto& row : answer(cell, prepared, halves[half], before).scores) {
      scores.push_back(std::move(row));
    }
  }
  return scores;
}

void Runner::apply(const Head& head, const std::vector<BenchRow>& rows, RowScores& found) {
  if (head.empty()) return;
  const Matrix z = z_of(rows);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const Matrix states = found.states.empty() ? Matrix{} : std::move(found.states[i]);
    found.scores[i] = apply_head(head, rows[i].example.choices, found.scores[i], z.row(i), states);
  }
}

/// Biases of the labels from the K examples' scores; their answers are not looked at.
void Runner::calibrate(const std::vector<BenchRow>& examples, const ScoreTable& example_scores,
                       const std::vector<BenchRow>& questions, BenchResult& result) {
  std::vector<ScoredChoices> scored;
  for (std::size_t i = 0; i < examples.size(); ++i) {
    scored.push_back({examples[i].example.choices, example_scores[i]});
  }
  const Head head = fit_label_calibration(scored);
  result.calibrated = result.scores;
  result.calibrates = !head.empty();
  for (std::size_t i = 0; i < questions.size() && result.calibrates; ++i) {
    result.calibrated[i] = apply_head(head, questions[i].example.choices, result.scores[i], {});
  }
}

BenchResult Runner::work_out(const BenchCell& cell, const std::vector<BenchRow>& examples) {
  const BenchTask& task = run_.tasks[cell.task];
  const MethodInput input{examples, task.training, cell.seed, pool_, scorer_, tools_};
  (void)scorer_.take_saved_seconds();
  const auto start = std::chrono::steady_clock::now();
  const Prepared prepared = cell.method->prepare(input);
  BenchResult result;
  result.cost.customize_seconds = prepared.seconds >= 0
                                      ? prepared.seconds
                                      : seconds_since(start) + scorer_.take_saved_seconds();

  std::span<const BenchRow> shots(prepared.shots);
  shots = shots.first(scorer_.fitting_shots(task.questions, shots));
  RowScores answered = answer(cell, prepared, task.questions, shots);
  apply(prepared.head, task.questions, answered);
  result.scores = std::move(answered.scores);
  result.calibrated = result.scores;
  if (prepared.head.empty() && !prepared.owns_head) {
    calibrate(examples, score_examples(cell, prepared, examples, shots), task.questions, result);
  }
  result.weights = prepared.weights;
  result.cost.answer_seconds = answered.seconds;
  result.cost.answer_tokens = answered.tokens;
  result.cost.prompt_tokens = answered.prompt_tokens;
  result.cost.adapter_bytes = prepared.adapter ? bytes_of(*prepared.adapter) : 0;
  result.cost.shots = shots.size();
  result.cost.cut_questions = answered.cut_rows;
  result.machine = options_.machine;
  finish(result);
  return result;
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
/// Until the slice ends. A method that cannot run is passed over: what it has is an earlier run's.
void Runner::work_out_all(std::vector<Planned>& cells, const OnCell& on_cell) {
  const auto start = options_.now();
  auto done = static_cast<std::size_t>(
      std::ranges::count_if(cells, [](const Planned& one) { return one.result.has_value(); }));
  for (Planned& one : cells) {
    if (one.result || !why_missing(*one.cell.method).empty()) continue;
    throw_if_interrupted();
    if (options_.slice && options_.now() - start >= *options_.slice) break;
    const BenchTask& task = run_.tasks[one.cell.task];
    if (on_cell) {
      on_cell(done++, cells.size(), fmt::format("{} {}", task.name, one.cell.method->name));
    }
    try {
      one.result = work_out(one.cell, draw_examples(task, one.cell.k, one.cell.seed));
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
  load_tasks(cells_of(plan_));
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

BenchRun run_bench(const BenchPlan& plan, Pool& pool, const Model& model, Engine& engine,
                   const BenchTools& tools, const Store& store, const RunOptions& options,
                   const OnCell& on_cell) {
  return Runner(plan, pool, model, engine, tools, store, options).run(on_cell);
}

}  // namespace crayon
