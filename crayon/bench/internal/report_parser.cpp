#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string_view>

#include "crayon/bench/internal/report_data.h"
#include "crayon/bench/internal/report_fields.h"

namespace crayon {
namespace {

using Json = nlohmann::json;

constexpr std::string_view kSchemaName = "crayon-bench-customize/";
constexpr std::size_t kMaxMessageText = 60;

Error no_report(const std::string& name, std::string_view found) {
  return {ErrorCode::CorruptFile,
          fmt::format("{}: {}, expected a report of crayon bench (\"schema\": \"{}\"); name the "
                      "JSON file that a run wrote",
                      name, found, kReportSchema)};
}

void check_schema(const Json& json, const std::string& name) {
  if (json.is_discarded()) throw no_report(name, "is not JSON");
  if (!json.is_object()) throw no_report(name, "holds no JSON object");
  const auto schema = json.find("schema");
  if (schema == json.end() || !schema->is_string()) throw no_report(name, "has no schema");
  const auto text = schema->get<std::string>();
  if (text == kReportSchema) return;
  const std::string shown = one_line(text, kMaxMessageText);
  if (!text.starts_with(kSchemaName)) {
    throw no_report(name, fmt::format("has the schema '{}'", shown));
  }
  throw Error(ErrorCode::Unsupported,
              fmt::format("{}: has the schema '{}', expected '{}'; read it with the version of "
                          "Crayon that wrote it, or run the benchmark again",
                          name, shown, kReportSchema));
}

/// The page and the comparison need no scores: they are most of the file.
bool is_needed(int /*depth*/, Json::parse_event_t event, Json& value) {
  if (event != Json::parse_event_t::key) return true;
  const auto& key = value.get_ref<const std::string&>();
  return key != "scores" && key != "scores_calibrated" && key != "ids";
}

/// Drops all keys of the whole but "schema".
bool is_schema(int depth, Json::parse_event_t event, Json& value) {
  return event != Json::parse_event_t::key || (depth == 1 && value == "schema");
}

std::string choice_of(const Fields& at, const char* key,
                      std::initializer_list<std::string_view> known) {
  auto found = at.text(key);
  if (std::ranges::find(known, found) == known.end()) {
    throw at.wrong(key, fmt::format("one of {}", fmt::join(known, ", ")));
  }
  return found;
}

TwoWayEstimate read_estimate(const Fields& at) {
  return {.mean = at.number("mean"),
          .low = at.number("low"),
          .high = at.number("high"),
          .standard_error = at.number("standard_error")};
}

Comparison read_comparison(const Fields& at) {
  Comparison comparison{.against = at.text("against"),
                        .difference = read_estimate(at),
                        .holm_p = at.number("holm_p"),
                        .counts = {at.count("wins"), at.count("ties"), at.count("losses")}};
  comparison.difference.p_value = at.number("p");
  return comparison;
}

std::vector<Comparison> read_comparisons(const std::vector<Fields>& list) {
  std::vector<Comparison> found;
  for (const Fields& one : list) found.push_back(read_comparison(one));
  return found;
}

SummaryTable read_table(const Fields& at) {
  SummaryTable table{.k = at.count("k"),
                     .group = choice_of(at, "group", {"held-out", "near", "far", "pool", "all"}),
                     .label_calibration = at.flag("label_calibration"),
                     .tasks = at.count("tasks"),
                     .lines = {},
                     .ours = {}};
  for (const Fields& method : at.objects("methods")) {
    table.lines.push_back({.method = method.text("method"),
                           .tasks = table.tasks,
                           .seeds = method.count("seeds"),
                           .accuracy = read_estimate(method.object("accuracy")),
                           .calibration_error = method.number("calibration_error"),
                           .against = read_comparisons(method.objects("against"))});
  }
  for (const Fields& method : at.objects_if_any("ours")) {  // earlier reports lack it
    table.ours.push_back(
        {.method = method.text("method"), .against = read_comparisons(method.objects("against"))});
  }
  return table;
}

/// The lines in the order of the methods, which a run of several grids need not have.
void sort_lines(const std::vector<ReportMethod>& methods, SummaryTable& table) {
  std::ranges::stable_sort(table.lines, {}, [&](const SummaryLine& line) {
    return std::ranges::find(methods, line.method, &ReportMethod::name) - methods.begin();
  });
}

TaskLine read_task_line(const Fields& at) {
  return {.task = at.text("task"),
          .method = at.text("method"),
          .k = at.count("k"),
          .label_calibration = at.flag("label_calibration"),
          .seeds = at.count("seeds"),
          .questions = at.count("n"),
          .accuracy = at.number("accuracy"),
          .standard_error = at.number("standard_error"),
          .calibration_error = at.number("calibration_error")};
}

ReportTask read_task(const Fields& at) {
  return {.name = at.text("name"),
          .kind = choice_of(at, "kind", {"pool", "near", "far"}),
          .questions_sha256 = at.text("questions_sha256"),
          .examples_sha256 = at.text("examples_sha256"),
          .training_sha256 = at.text_if_any("training_sha256"),
          .answers = at.choices("answers", at.count("n"))};
}

ReportResult read_result(const Fields& at, const Fields& times, const ReportData& data) {
  ReportResult result;
  const auto task = std::ranges::find(data.tasks, at.text("task"), &ReportTask::name);
  if (task == data.tasks.end()) throw at.wrong("task", "the name of one of the report's tasks");
  result.task = static_cast<std::size_t>(task - data.tasks.begin());
  result.method = at.text("method");
  result.k = at.count("k");
  result.seed = at.count("seed");
  result.calibrates = at.flag("label_calibration");
  result.choices = at.choices_or_none("choices", task->answers.size());
  result.choices_calibrated = at.choices_or_none("choices_calibrated", task->answers.size());
  result.cost = read_cost(at, times);
  result.machine = read_machine(times, data.machines.size());
  return result;
}

void read_results(const Fields& all, ReportData& data) {
  const auto results = all.objects("results");
  const auto times = all.object("times").objects("results");
  if (times.size() != results.size()) throw wrong_times(all, results.size());
  for (std::size_t i = 0; i < results.size(); ++i) {
    data.results.push_back(read_result(results[i], times[i], data));
  }
}

void read_settings(const Fields& at, const Fields& times, ReportData& data) {
  BenchSettings& settings = data.settings;
  const Fields model = at.object("model");
  const Fields prompt = at.object("prompt");
  settings.version = at.text("version");
  settings.commit = at.text_if_any("commit");
  settings.command = times.text("command");
  data.machines = times.texts("machines");
  settings.model.name = model.text("name");
  settings.model.sha256 = model.text("sha256");
  settings.pool = at.text("pool");
  settings.pool_sha256 = at.text_if_any("pool_sha256");
  settings.multitask = at.text("multitask");
  settings.multitask_sha256 = at.text_if_any("multitask_sha256");
  settings.server = at.text("server");
  settings.context_tokens =
      static_cast<int>(std::min<std::size_t>(at.count("context_tokens"), 1U << 30U));
  settings.format.with_context = prompt.text("with_context");
  settings.format.without_context = prompt.text("without_context");
  settings.format.choice_prefix = prompt.text("choice_prefix");
  settings.n_adapters = at.count("n_adapters");
  data.scoring = at.text("scoring");
  data.number_type = at.text("number_type");
  data.exact = at.flag_or("exact", false);  // earlier reports lack it
  data.questions = at.count("questions");
  for (const Fields& grid : at.objects("grids")) {
    data.grids.push_back({grid.texts("methods"), grid.counts("k"), grid.counts("seeds")});
  }
  for (const Fields& one : at.objects("missing_methods")) {
    data.missing.push_back({one.text("method"), one.text("why")});
  }
}

}  // namespace

BenchCost read_cost(const Fields& result, const Fields& times) {
  return {.customize_seconds = times.number("customize_seconds"),
          .calibrate_seconds = times.number_if_any("calibrate_seconds"),
          .answer_seconds = times.number("answer_seconds"),
          .answer_tokens = result.count("answer_tokens"),
          .prompt_tokens = result.count("prompt_tokens"),
          .adapter_bytes = result.count("adapter_bytes"),
          .shots = result.count("shots"),
          .texts = result.count("texts"),
          .labels = result.count("labels"),
          .cut_questions = result.count("cut_questions")};
}

std::size_t read_machine(const Fields& times, std::size_t machines) {
  const std::size_t machine = times.count("machine");
  if (machine >= machines) throw times.wrong("machine", "the index of one of the machines");
  return machine;
}

Error wrong_times(const Fields& all, std::size_t results) {
  return all.wrong("times.results", fmt::format("a list of {}", results));
}

void check_report(const std::string& json, const std::string& name) {
  check_schema(Json::parse(json, is_schema, /*allow_exceptions=*/false), name);
}

ReportData parse_report(const std::string& json, const std::string& name) {
  const Json parsed = Json::parse(json, is_needed, /*allow_exceptions=*/false);
  check_schema(parsed, name);
  const Fields all(parsed, name, "");
  ReportData data;
  data.name = name;
  read_settings(all.object("settings"), all.object("times"), data);
  data.planned = all.object("cells").count("planned");
  for (const Fields& at : all.objects("methods")) {
    data.methods.push_back(
        {.name = at.text("name"),
         .summary = at.text("summary"),
         .sees = choice_of(at, "sees", {"labels", "texts", "nothing", "training"}),
         .version = at.count("version")});
  }
  for (const Fields& at : all.objects("tables")) {
    data.summary.tables.push_back(read_table(at));
    sort_lines(data.methods, data.summary.tables.back());
  }
  for (const Fields& at : all.objects("task_lines")) {
    data.summary.tasks.push_back(read_task_line(at));
  }
  for (const Fields& at : all.objects("tasks")) data.tasks.push_back(read_task(at));
  read_results(all, data);
  return data;
}

}  // namespace crayon
