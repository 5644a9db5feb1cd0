#include "crayon/bench/route/run.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "crayon/base/clock.h"
#include "crayon/base/error.h"
#include "crayon/base/interrupt.h"
#include "crayon/base/sha256.h"
#include "crayon/base/text.h"
#include "crayon/bench/route/device.h"
#include "crayon/bench/route/internal/earlier.h"
#include "crayon/session/server_side.h"

namespace crayon {
namespace {

using Json = nlohmann::json;

constexpr int kDeviceVersion = 9;  ///< Counted up when the device's results change.
constexpr int kServerVersion = 1;

/// One thing to work out, what decides it, and the result as far as it is known.
struct RouteCell {
  std::size_t task = 0;
  std::size_t seed = 0;                 ///< Index into the plan's.
  const RouteServer* server = nullptr;  ///< Null: the device.
  bool examples = false;                ///< Of a server: the K, not the questions.
  Json key;
  std::string hash;
  std::optional<DeviceResult> device;
  std::optional<ServerResult> answers;

  [[nodiscard]] bool done() const { return device || answers; }
  [[nodiscard]] bool can_run() const { return server == nullptr || server->remote != nullptr; }
};

class RouteRunner {
 public:
  RouteRunner(const RoutePlan& plan, Pool& pool, const Model& model, Engine& engine,
              const std::vector<RouteServer>& servers, const ResultStore& store,
              RouteRunOptions options)
      : plan_(plan),
        pool_(pool),
        servers_(servers),
        store_(store),
        options_(std::move(options)),
        scorer_(model, engine, pool.manifest().prompt, store,
                {.scoring = Scoring::Mean,
                 .context_tokens = options_.context_tokens,
                 .first_layer = pool.manifest().first_layer}) {
    check_route_plan(plan);
    (void)check_base(pool.manifest().base, model.base(),
                     fmt::format("pool '{}'", pool.folder().string()));
    std::set<std::string> names;
    for (const RouteServer& server : servers) {
      if (names.insert(server.name).second) continue;
      throw Error(ErrorCode::InvalidArgument,
                  fmt::format("two servers of the model '{}'; the report tells them apart by their "
                              "models' names",
                              server.name));
    }
  }

  RouteRun run(const OnCell& on_cell);

 private:
  void take_tasks();
  [[nodiscard]] std::vector<BenchRow> examples(std::size_t task, std::size_t seed) const {
    return draw_examples(run_.tasks[task], plan_.k, plan_.seeds[seed]);
  }
  [[nodiscard]] std::vector<BenchRow> mixed(std::size_t task) const {
    std::vector<BenchRow> rows;
    for (const MixedRow& row : run_.mixed[task]) {
      rows.push_back(run_.tasks[row.task].questions[row.question]);
    }
    return rows;
  }
  [[nodiscard]] std::vector<BenchRow> rows_of(const RouteCell& cell) const {
    return cell.examples ? examples(cell.task, cell.seed) : run_.tasks[cell.task].questions;
  }
  [[nodiscard]] Json key_of(const RouteCell& cell) const;
  [[nodiscard]] std::vector<RouteCell> planned_cells();
  void find_earlier(std::vector<RouteCell>& cells);
  void check_fit(const RouteCell& cell, const std::string& file) const;
  void work_out(RouteCell& cell);
  [[nodiscard]] DeviceResult ask_device(const RouteCell& cell);
  [[nodiscard]] ServerResult ask_server(const RouteCell& cell);
  [[nodiscard]] int server_choice(const RouteServer& server, const BenchRow& row);
  void work_out_all(std::vector<RouteCell>& cells, const OnCell& on_cell);
  void embed_all();
  [[nodiscard]] Matrix z_of(const std::vector<BenchRow>& rows) {
    return whiten(pool_.gate().whitening, scorer_.embed(rows, pool_.gate().embedding));
  }

  const RoutePlan& plan_;
  Pool& pool_;
  const std::vector<RouteServer>& servers_;
  const ResultStore& store_;
  RouteRunOptions options_;
  BenchScorer scorer_;
  RouteRun run_;
};

void RouteRunner::take_tasks() {
  run_.families = families_of(plan_);
  run_.tasks = options_.tasks.empty() ? load_tasks(plan_.tasks, plan_.questions, plan_.k)
                                      : std::move(options_.tasks);
  for (std::size_t t = 0; t < run_.tasks.size(); ++t) {
    run_.mixed.push_back(draw_mixed(run_.tasks, run_.families, t));
  }
}

Json RouteRunner::key_of(const RouteCell& cell) const {
  if (cell.server != nullptr) {
    return {{"kind", "route server"},
            {"version", kServerVersion},
            {"server", cell.server->name},
            {"rows", hash_rows(rows_of(cell))}};
  }
  const PromptFormat& format = pool_.manifest().prompt;
  const ScopeModel& scope = pool_.manifest().scope;  // the pool's id tells nothing of it
  return {{"kind", "route device"},
          {"version", kDeviceVersion},
          {"label_calibration", kLabelCalibrationVersion},
          {"pool", pool_.manifest().id},
          {"scope", sha256_hex(Json{scope.sizes, scope.quantiles.data}.dump())},
          {"prompt",
           {format.version, format.style == PromptStyle::Chat, format.system, format.with_context,
            format.without_context, format.choice_prefix}},
          {"model", scorer_.model().base().sha256},
          {"context", options_.context_tokens},
          {"examples", hash_rows(examples(cell.task, cell.seed))},
          {"questions", hash_rows(run_.tasks[cell.task].questions)},
          {"mixed", hash_rows(mixed(cell.task))}};
}

std::vector<RouteCell> RouteRunner::planned_cells() {
  std::vector<RouteCell> cells;
  for (std::size_t s = 0; s < plan_.seeds.size(); ++s) {
    for (std::size_t t = 0; t < run_.tasks.size(); ++t) {
      cells.push_back({.task = t, .seed = s, .key = {}, .hash = {}, .device = {}, .answers = {}});
      for (const RouteServer& server : servers_) {
        for (const bool of_examples : {false, true}) {
          if (!of_examples && s > 0) continue;
          cells.push_back({.task = t,
                           .seed = s,
                           .server = &server,
                           .examples = of_examples,
                           .key = {},
                           .hash = {},
                           .device = {},
                           .answers = {}});
        }
      }
    }
  }
  for (RouteCell& cell : cells) {
    throw_if_interrupted();
    cell.key = key_of(cell);
    cell.hash = sha256_hex(std::string_view(cell.key.dump()));
  }
  find_earlier(cells);
  std::set<const RouteServer*> known;
  for (const RouteCell& cell : cells) {
    if (cell.server != nullptr && cell.done()) known.insert(cell.server);
  }
  std::erase_if(cells, [&](const RouteCell& cell) {
    return !cell.can_run() && !known.contains(cell.server);
  });
  for (const RouteServer& server : servers_) {
    const bool all =
        known.contains(&server) && std::ranges::all_of(cells, [&](const RouteCell& cell) {
          return cell.server != &server || cell.done();
        });
    if (server.remote == nullptr && !all) {
      run_.missing.push_back({server.name, "no --server-url is given"});
    }
    if (server.remote != nullptr || known.contains(&server)) run_.servers.push_back(server.name);
  }
  return cells;
}

void RouteRunner::find_earlier(std::vector<RouteCell>& cells) {
  internal::ByKey<DeviceResult> device;
  internal::ByKey<ServerResult> servers;
  for (std::size_t r = 0; r < options_.earlier.size(); ++r) {
    device.add(r, options_.earlier[r].device);
    servers.add(r, options_.earlier[r].servers);
  }
  for (RouteCell& cell : cells) {
    if (cell.server == nullptr) {
      if (const DeviceResult* found = device.find(cell.hash)) cell.device = *found;
    } else if (const ServerResult* found = servers.find(cell.hash)) {
      cell.answers = *found;
    }
    std::string from = "an earlier report";
    if (!cell.done()) {
      const auto kept = store_.get(cell.key);
      if (!kept) continue;
      from = "the store";
      if (cell.server == nullptr) {
        cell.device = device_from_stored(*kept);
        cell.device->seconds = kept->value("seconds", 0.0);
        cell.device->machine = kept->value("machine", "");
      } else {
        cell.answers = server_from_stored(*kept);
        cell.answers->seconds = kept->value("seconds", 0.0);
        cell.answers->machine = kept->value("machine", "");
      }
    }
    check_fit(cell, from);
  }
  for (std::size_t r = 0; r < options_.earlier.size(); ++r) {
    TakenOver counts{.name = options_.earlier[r].name, .methods = {}};
    device.count(r, options_.earlier[r].device, counts);
    servers.count(r, options_.earlier[r].servers, counts);
    if (options_.on_taken_over) options_.on_taken_over(counts);
  }
}

void RouteRunner::check_fit(const RouteCell& cell, const std::string& file) const {
  const bool fit = cell.server != nullptr
                       ? fits(*cell.answers, rows_of(cell))
                       : fits(cell.device->examples, examples(cell.task, cell.seed)) &&
                             fits(cell.device->questions, run_.tasks[cell.task].questions) &&
                             fits(cell.device->mixed, mixed(cell.task));
  if (fit) return;
  throw Error(
      ErrorCode::CorruptFile,
      fmt::format("{}: the answers to task '{}' are not those of its {} questions and their "
                  "choices; make the report again with crayon bench route",
                  file, one_line(run_.tasks[cell.task].name),
                  run_.tasks[cell.task].questions.size()));
}

DeviceResult RouteRunner::ask_device(const RouteCell& cell) {
  const auto start = std::chrono::steady_clock::now();
  RouteDevice device(pool_, scorer_, examples(cell.task, cell.seed));
  DeviceResult result;
  result.kept = device.report().kept;
  result.calibration.approximate = device.info().calibration.approximate;
  result.examples = device.answer_examples();
  result.questions = device.answer(run_.tasks[cell.task].questions);
  result.mixed = device.answer(mixed(cell.task));
  fit_confidences(result, pool_.manifest().calibration);
  result.seconds = seconds_since(start);
  finish(result);
  return result;
}

/// Asked once for each row, whatever list it stands in.
int RouteRunner::server_choice(const RouteServer& server, const BenchRow& row) {
  const Json key = {{"kind", "route server row"},
                    {"version", kServerVersion},
                    {"server", server.name},
                    {"row", hash_rows({row})}};
  if (const auto known = store_.get(key)) return known->at("choice").get<int>();
  ServerDoor door(*server.remote);  // public data: no policy
  int choice = -1;
  try {
    choice = ask_choice(door, row.example).choice.value_or(-1);
  } catch (const Error& error) {
    throw about_example(row.example.id, error);
  }
  store_.put(key, {{"choice", choice}});
  return choice;
}

ServerResult RouteRunner::ask_server(const RouteCell& cell) {
  const auto start = std::chrono::steady_clock::now();
  ServerResult result;
  for (const BenchRow& row : rows_of(cell)) {
    throw_if_interrupted();
    result.choices.push_back(server_choice(*cell.server, row));
    result.right.push_back(result.choices.back() == *row.example.answer);
  }
  result.seconds = seconds_since(start);
  return result;
}

void RouteRunner::work_out(RouteCell& cell) {
  Json value;
  if (cell.server == nullptr) {
    cell.device = ask_device(cell);
    cell.device->machine = options_.machine;
    value = stored(*cell.device);
    value["seconds"] = cell.device->seconds;
  } else {
    cell.answers = ask_server(cell);
    cell.answers->machine = options_.machine;
    value = stored(*cell.answers);
    value["seconds"] = cell.answers->seconds;
  }
  value["machine"] = options_.machine;
  store_.put(cell.key, value);
}

/// Until the slice ends.
void RouteRunner::work_out_all(std::vector<RouteCell>& cells, const OnCell& on_cell) {
  const auto start = options_.now();
  auto done = static_cast<std::size_t>(std::ranges::count_if(cells, &RouteCell::done));
  for (RouteCell& cell : cells) {
    if (cell.done() || !cell.can_run()) continue;
    throw_if_interrupted();
    if (options_.slice && options_.now() - start >= *options_.slice) break;
    const std::string side = cell.server == nullptr ? "device" : cell.server->name;
    const std::string& task = run_.tasks[cell.task].name;
    if (on_cell) on_cell(done++, cells.size(), fmt::format("{} {}", task, side));
    try {
      work_out(cell);
    } catch (const Error& error) {
      throw Error(error.code(), fmt::format("task '{}', {}: {}", task, side, error.what()));
    }
  }
  if (on_cell) on_cell(done, cells.size(), "");
}

void RouteRunner::embed_all() {
  run_.scope = pool_.manifest().scope;
  std::size_t most = plan_.k;
  for (const std::size_t n : plan_.scope_examples) most = std::max(most, n);
  for (const BenchTask& task : run_.tasks) {
    run_.question_z.push_back(z_of(task.questions));
    auto& of_seeds = run_.example_z.emplace_back();
    for (const auto seed : plan_.seeds) {
      of_seeds.push_back(z_of(draw_examples(task, std::min(most, task.examples.size()), seed)));
    }
  }
}

RouteRun RouteRunner::run(const OnCell& on_cell) {
  take_tasks();
  std::vector<RouteCell> cells = planned_cells();
  work_out_all(cells, on_cell);
  embed_all();
  run_.planned = cells.size();
  for (RouteCell& cell : cells) {
    const std::string& task = run_.tasks[cell.task].name;
    const std::uint64_t seed = plan_.seeds[cell.seed];
    if (cell.device) {
      DeviceResult& result = run_.device.emplace_back(std::move(*cell.device));
      result.task = task;
      result.seed = seed;
      result.key = cell.hash;
      fit_confidences(result, pool_.manifest().calibration);
      finish(result);
    } else if (cell.answers) {
      ServerResult& result = run_.server.emplace_back(std::move(*cell.answers));
      result.server = cell.server->name;
      result.task = task;
      result.examples = cell.examples;
      result.seed = cell.examples ? seed : 0;
      result.key = cell.hash;
    }
  }
  return std::move(run_);
}

}  // namespace

RouteRun run_route(const RoutePlan& plan, Pool& pool, const Model& model, Engine& engine,
                   const std::vector<RouteServer>& servers, const ResultStore& store,
                   RouteRunOptions options, const OnCell& on_cell) {
  return RouteRunner(plan, pool, model, engine, servers, store, std::move(options)).run(on_cell);
}

}  // namespace crayon
