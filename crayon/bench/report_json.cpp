#include <algorithm>
#include <nlohmann/json.hpp>

#include "crayon/bench/report.h"

namespace crayon {
namespace {

using Json = nlohmann::ordered_json;

Json list_of(std::span<const float> numbers) {
  Json list = Json::array();
  for (const float x : numbers) list.push_back(rounded(static_cast<double>(x)));
  return list;
}

Json estimate_json(const TwoWayEstimate& e) {
  return {{"mean", rounded(e.mean)},
          {"low", rounded(e.low)},
          {"high", rounded(e.high)},
          {"standard_error", rounded(e.standard_error)}};
}

Json comparison_json(const Comparison& c) {
  Json json = estimate_json(c.difference);
  json["against"] = c.against;
  json["p"] = rounded(c.difference.p_value);
  json["holm_p"] = rounded(c.holm_p);
  json["wins"] = c.counts.wins;
  json["ties"] = c.counts.ties;
  json["losses"] = c.counts.losses;
  return json;
}

Json comparisons_json(std::span<const Comparison> comparisons) {
  Json list = Json::array();
  for (const Comparison& c : comparisons) list.push_back(comparison_json(c));
  return list;
}

Json table_json(const SummaryTable& table) {
  Json lines = Json::array();
  for (const SummaryLine& line : table.lines) {
    lines.push_back({{"method", line.method},
                     {"seeds", line.seeds},
                     {"accuracy", estimate_json(line.accuracy)},
                     {"calibration_error", rounded(line.calibration_error)},
                     {"against", comparisons_json(line.against)}});
  }
  Json ours = Json::array();
  for (const OursLine& line : table.ours) {
    ours.push_back({{"method", line.method}, {"against", comparisons_json(line.against)}});
  }
  return {{"k", table.k},
          {"group", table.group},
          {"label_calibration", table.label_calibration},
          {"tasks", table.tasks},
          {"methods", lines},
          {"ours", ours}};
}

Json task_line_json(const TaskLine& line) {
  return {{"task", line.task},
          {"method", line.method},
          {"k", line.k},
          {"label_calibration", line.label_calibration},
          {"seeds", line.seeds},
          {"n", line.questions},
          {"accuracy", rounded(line.accuracy)},
          {"standard_error", rounded(line.standard_error)},
          {"calibration_error", rounded(line.calibration_error)}};
}

Json task_json(const BenchTask& task) {
  Json ids = Json::array();
  Json answers = Json::array();
  for (const BenchRow& row : task.questions) {
    ids.push_back(row.example.id);
    answers.push_back(*row.example.answer);
  }
  return {{"name", task.name},
          {"kind", to_string(task.kind)},
          {"n", task.questions.size()},
          {"questions_sha256", hash_rows(task.questions)},
          {"examples_sha256", hash_rows(task.examples)},
          {"training_sha256", hash_rows(task.training)},
          {"ids", ids},
          {"answers", answers}};
}

Json result_json(const BenchResult& result) {
  Json scores = Json::array();
  Json calibrated = Json::array();
  for (std::size_t i = 0; i < result.scores.size(); ++i) {
    scores.push_back(list_of(result.scores[i]));
    if (result.calibrates) calibrated.push_back(list_of(result.calibrated[i]));
  }
  Json json = {{"task", result.task},
               {"method", result.method},
               {"k", result.k},
               {"seed", result.seed},
               {"key", result.key},
               {"weights", list_of(result.weights)},
               {"texts", result.cost.texts},
               {"labels", result.cost.labels},
               {"shots", result.cost.shots},
               {"prompt_tokens", result.cost.prompt_tokens},
               {"answer_tokens", result.cost.answer_tokens},
               {"adapter_bytes", result.cost.adapter_bytes},
               {"cut_questions", result.cost.cut_questions},
               {"label_calibration", result.calibrates},
               {"scores", scores},
               {"scores_calibrated", calibrated},
               {"choices", choices_of(result, false)},
               {"choices_calibrated", choices_of(result, true)}};
  if (!result.unparsed.empty()) json["unparsed"] = result.unparsed;
  return json;
}

Json methods_json(const BenchPlan& plan) {
  Json list = Json::array();
  for (const Method* method : all_methods()) {
    const bool planned = std::ranges::any_of(plan.grids, [&](const BenchGrid& grid) {
      return std::ranges::find(grid.methods, method) != grid.methods.end();
    });
    if (!planned) continue;
    list.push_back({{"name", method->name},
                    {"summary", method->summary},
                    {"sees", to_string(method->sees)},
                    {"version", method->version}});
  }
  return list;
}

Json settings_json(const BenchRun& run, const BenchPlan& plan, const BenchSettings& settings) {
  Json grids = Json::array();
  for (const BenchGrid& grid : plan.grids) {
    Json names = Json::array();
    for (const Method* method : grid.methods) names.push_back(method->name);
    grids.push_back({{"methods", names}, {"k", grid.k}, {"seeds", grid.seeds}});
  }
  Json missing = Json::array();
  for (const Unavailable& one : run.missing) {
    missing.push_back({{"method", one.method}, {"why", one.why}});
  }
  const PromptFormat& format = settings.format;
  return {{"scoring", to_string(plan.scoring)},
          {"number_type", number_type_name(plan.number_type)},
          {"exact", plan.exact},
          {"questions", plan.questions},
          {"context_tokens", settings.context_tokens},
          {"grids", grids},
          {"missing_methods", missing},
          {"model", {{"name", settings.model.name}, {"sha256", settings.model.sha256}}},
          {"pool", settings.pool},
          {"pool_sha256", settings.pool_sha256},
          {"n_adapters", settings.n_adapters},
          {"multitask", settings.multitask},
          {"multitask_sha256", settings.multitask_sha256},
          {"server", settings.server},
          {"prompt",
           {{"with_context", format.with_context},
            {"without_context", format.without_context},
            {"choice_prefix", format.choice_prefix}}},
          {"version", settings.version},
          {"commit", settings.commit}};
}

Json times_json(const BenchRun& run, const BenchSettings& settings) {
  std::vector<std::string> machines;
  Json results = Json::array();
  for (const BenchResult& result : run.results) {
    const auto known = std::ranges::find(machines, result.machine);
    const auto machine = known - machines.begin();
    if (known == machines.end()) machines.push_back(result.machine);
    Json times = {{"customize_seconds", rounded(result.cost.customize_seconds)}};
    if (const auto& seconds = result.cost.calibrate_seconds) {
      times["calibrate_seconds"] = rounded(*seconds);
    }
    times["answer_seconds"] = rounded(result.cost.answer_seconds);
    times["machine"] = machine;
    results.push_back(times);
  }
  return {{"machines", machines}, {"command", settings.command}, {"results", results}};
}

}  // namespace

std::string report_json(const BenchRun& run, const BenchPlan& plan, const BenchSettings& settings) {
  const BenchSummary summary = summarise(run);
  Json json = {{"schema", "crayon-bench-customize/1"},
               {"settings", settings_json(run, plan, settings)},
               {"cells", {{"planned", run.planned}, {"done", run.results.size()}}},
               {"methods", methods_json(plan)},
               {"tables", Json::array()},
               {"task_lines", Json::array()},
               {"tasks", Json::array()},
               {"results", Json::array()},
               {"times", times_json(run, settings)}};
  for (const SummaryTable& table : summary.tables) json["tables"].push_back(table_json(table));
  for (const TaskLine& line : summary.tasks) json["task_lines"].push_back(task_line_json(line));
  for (const BenchTask& task : run.tasks) json["tasks"].push_back(task_json(task));
  for (const BenchResult& result : run.results) json["results"].push_back(result_json(result));
  // A command may hold bytes that are no UTF-8.
  return json.dump(-1, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace) + "\n";
}

}  // namespace crayon
