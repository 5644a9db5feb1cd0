#include "crayon/bench/run.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <map>

#include "crayon/base/error.h"
#include "crayon/base/interrupt.h"
#include "crayon/base/sha256.h"

namespace crayon {

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(BenchCost, customize_seconds, answer_seconds, answer_tokens,
                                   prompt_tokens, adapter_bytes, shots, texts, labels,
                                   cut_questions)

namespace {

using Json = nlohmann::json;

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// A, B and their scales in F16, without the file's header.
std::size_t bytes_of(const Adapter& adapter) {
  std::size_t numbers = 0;
  for (const LoraTensor& t : adapter.tensors) numbers += t.a.data.size() + t.b.data.size();
  return 2 * numbers;
}

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
  [[nodiscard]] bool available(const Method& method);
  [[nodiscard]] Json key_of(const BenchCell& cell, const std::vector<BenchRow>& examples) const;
  /// A cell's result from the store.
  [[nodiscard]] std::optional<BenchResult> known(const BenchCell& cell) const;
  BenchResult work_out(const BenchCell& cell, const std::vector<BenchRow>& examples);
  RowScores answer(const BenchCell& cell, const Prepared& prepared,
                   const std::vector<BenchRow>& rows, std::span<const BenchRow> shots);
  ScoreTable score_examples(const BenchCell& cell, const Prepared& prepared,
                            const std::vector<BenchRow>& examples, std::span<const BenchRow> shots);
  RowScores answer_directly(const Prepared& prepared, const std::vector<BenchRow>& rows);
  void apply(const Head& head, const std::vector<BenchRow>& rows, ScoreTable& scores);
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
  std::map<std::string, bool> available_;
};

void Runner::load_tasks(const std::vector<BenchCell>& cells) {
  std::size_t most = 0;
  for (const BenchCell& cell : cells) most = std::max(most, cell.k);
  for (const TaskEntry& entry : plan_.tasks) {
    throw_if_interrupted();
    run_.tasks.push_back(load_task(entry, plan_.questions, most));
    question_hashes_.push_back(hash_rows(run_.tasks.back().questions));
  }
}

bool Runner::available(const Method& method) {
  const auto known = available_.find(method.name);
  if (known != available_.end()) return known->second;
  const std::string why = method.missing == nullptr ? "" : method.missing(pool_, tools_);
  if (!why.empty()) run_.missing.push_back({method.name, why});
  return available_[method.name] = why.empty();
}

Json Runner::key_of(const BenchCell& cell, const std::vector<BenchRow>& examples) const {
  Json key = {{"kind", "cell"},
              {"method", cell.method->name},
              {"version", cell.method->version},
              {"pool", pool_.manifest().id},
              {"model", scorer_.model().base().sha256},
              {"scoring", to_string(plan_.scoring)},
              {"context", options_.context_tokens},
              {"examples", hash_rows(examples)},
              {"questions", question_hashes_[cell.task]},
              {"seed", cell.seed}};
  if (tools_.multitask != nullptr) key["multitask"] = tools_.multitask->manifest().id;
  if (cell.method->missing != nullptr) key["server"] = options_.server;
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
    std::span<const BenchRow> before(halves[1 - half]);
    before = before.first(scorer_.fitting_shots(halves[half], before));
    for (auto& row : answer(cell, prepared, halves[half], before).scores) {
      scores.push_back(std::move(row));
    }
  }
  return scores;
}

void Runner::apply(const Head& head, const std::vector<BenchRow>& rows, ScoreTable& scores) {
  if (head.empty()) return;
  const Matrix z = z_of(rows);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    scores[i] = apply_head(head, rows[i].example.choices, scores[i], z.row(i));
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
  apply(prepared.head, task.questions, answered.scores);
  result.scores = std::move(answered.scores);
  result.calibrated = result.scores;
  if (prepared.head.empty()) {
    calibrate(examples, score_examples(cell, prepared, examples, shots), task.questions, result);
  }
  result.weights = prepared.weights;
  const bool texts = cell.method->sees != Method::Sees::Nothing;
  result.cost.answer_seconds = answered.seconds;
  result.cost.answer_tokens = answered.tokens;
  result.cost.prompt_tokens = answered.prompt_tokens;
  result.cost.adapter_bytes = prepared.adapter ? bytes_of(*prepared.adapter) : 0;
  result.cost.shots = shots.size();
  result.cost.texts = texts ? examples.size() : 0;
  result.cost.labels = cell.method->sees == Method::Sees::Labels ? examples.size() : 0;
  result.cost.cut_questions = answered.cut_rows;
  return result;
}

Json to_json(const BenchResult& result) {
  return {{"scores", result.scores},
          {"calibrated", result.calibrated},
          {"calibrates", result.calibrates},
          {"weights", result.weights},
          {"cost", result.cost}};
}

BenchResult from_json(const Json& json) {
  BenchResult result;
  json.at("scores").get_to(result.scores);
  json.at("calibrated").get_to(result.calibrated);
  json.at("calibrates").get_to(result.calibrates);
  json.at("weights").get_to(result.weights);
  json.at("cost").get_to(result.cost);
  return result;
}

std::optional<BenchResult> Runner::known(const BenchCell& cell) const {
  const auto examples = draw_examples(run_.tasks[cell.task], cell.k, cell.seed);
  const auto found = store_.get(key_of(cell, examples));
  return found ? std::optional(from_json(*found)) : std::nullopt;
}

BenchRun Runner::run(const OnCell& on_cell) {
  std::vector<BenchCell> cells = cells_of(plan_);
  load_tasks(cells);
  std::erase_if(cells, [&](const BenchCell& cell) { return !available(*cell.method); });
  std::vector<std::optional<BenchResult>> results;
  for (const BenchCell& cell : cells) {
    throw_if_interrupted();
    results.push_back(known(cell));
  }
  auto done = static_cast<std::size_t>(
      std::ranges::count_if(results, [](const auto& result) { return result.has_value(); }));
  for (std::size_t i = 0; i < cells.size(); ++i) {
    if (results[i]) continue;
    throw_if_interrupted();
    const BenchCell& cell = cells[i];
    const std::string& task = run_.tasks[cell.task].name;
    if (on_cell) on_cell(done++, cells.size(), fmt::format("{} {}", task, cell.method->name));
    const auto examples = draw_examples(run_.tasks[cell.task], cell.k, cell.seed);
    try {
      results[i] = work_out(cell, examples);
    } catch (const Error& error) {
      throw Error(error.code(),
                  fmt::format("task '{}', method '{}': {}", task, cell.method->name, error.what()));
    }
    store_.put(key_of(cell, examples), to_json(*results[i]));
  }
  if (on_cell) on_cell(cells.size(), cells.size(), "");
  for (std::size_t i = 0; i < cells.size(); ++i) {
    BenchResult& result = *results[i];
    result.task = run_.tasks[cells[i].task].name;
    result.method = cells[i].method->name;
    result.k = cells[i].k;
    result.seed = cells[i].seed;
    run_.results.push_back(std::move(result));
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
