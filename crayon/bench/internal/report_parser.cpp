#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <utility>

#include "crayon/base/error.h"
#include "crayon/base/text.h"
#include "crayon/bench/internal/report_data.h"

namespace crayon {
namespace {

using Json = nlohmann::json;

constexpr std::string_view kSchemaName = "crayon-bench-customize/";
constexpr std::size_t kMaxMessageText = 60;

/// An object of the report; borrows the value. Accessors throw CorruptFile with the key's path.
class Fields {
 public:
  Fields(const Json& value, const std::string& file, std::string path)
      : value_(value), file_(file), path_(std::move(path)) {
    if (!value.is_object()) throw wrong_value(path_, "an object");
  }

  [[nodiscard]] std::string text(const char* key) const {
    const Json& value = need(key, &Json::is_string, "a text");
    return value.get<std::string>();
  }
  [[nodiscard]] std::size_t count(const char* key) const {
    return need(key, &Json::is_number_unsigned, "a count").get<std::size_t>();
  }
  [[nodiscard]] double number(const char* key) const {
    const double found = need(key, &Json::is_number, "a number").get<double>();
    if (!std::isfinite(found)) throw wrong(key, "a finite number");
    return found;
  }
  [[nodiscard]] bool flag(const char* key) const {
    return need(key, &Json::is_boolean, "true or false").get<bool>();
  }
  [[nodiscard]] Fields object(const char* key) const {
    return {need(key, &Json::is_object, "an object"), file_, path_ + key + "."};
  }
  [[nodiscard]] std::vector<Fields> objects(const char* key) const {
    std::vector<Fields> found;
    for (const Json& item : list(key)) {
      found.emplace_back(item, file_, fmt::format("{}{}.{}.", path_, key, found.size()));
    }
    return found;
  }
  [[nodiscard]] std::vector<std::string> texts(const char* key) const {
    std::vector<std::string> found;
    for (const Json& item : list(key)) {
      if (!item.is_string()) throw wrong(key, "a list of texts");
      found.push_back(item.get<std::string>());
    }
    return found;
  }
  [[nodiscard]] std::vector<std::uint64_t> counts(const char* key) const {
    std::vector<std::uint64_t> found;
    for (const Json& item : list(key)) {
      if (!item.is_number_unsigned()) throw wrong(key, "a list of counts");
      found.push_back(item.get<std::uint64_t>());
    }
    return found;
  }
  /// Indices of choices, `n` of them.
  [[nodiscard]] std::vector<int> choices(const char* key, std::size_t n) const {
    const auto expected = [n] { return fmt::format("{} indices of choices", n); };
    std::vector<int> found;
    if (list(key).size() != n) throw wrong(key, expected());
    for (const Json& item : list(key)) {
      if (!item.is_number_unsigned() || item.get<std::uint64_t>() > 1'000'000) {
        throw wrong(key, expected());
      }
      found.push_back(item.get<int>());
    }
    return found;
  }
  [[nodiscard]] Error wrong(const char* key, std::string_view expected) const {
    return wrong_value(path_ + key, expected);
  }

 private:
  [[nodiscard]] const Json& list(const char* key) const {
    return need(key, &Json::is_array, "a list");
  }
  [[nodiscard]] const Json& need(const char* key, bool (Json::*is)() const noexcept,
                                 std::string_view expected) const {
    const auto found = value_.find(key);
    if (found == value_.end() || !((*found).*is)()) throw wrong(key, expected);
    return *found;
  }
  [[nodiscard]] Error wrong_value(std::string_view path, std::string_view expected) const {
    return {ErrorCode::CorruptFile,
            fmt::format("{}: '{}' is missing or not what it should be, expected {}; make the "
                        "report again with crayon bench",
                        file_, one_line(path), expected)};
  }

  const Json& value_;
  const std::string& file_;
  std::string path_;
};

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
  return key != "scores" && key != "ids";
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

SummaryTable read_table(const Fields& at) {
  SummaryTable table{.k = at.count("k"),
                     .group = choice_of(at, "group", {"held-out", "near", "far", "pool", "all"}),
                     .label_calibration = at.flag("label_calibration"),
                     .tasks = at.count("tasks"),
                     .lines = {}};
  for (const Fields& method : at.objects("methods")) {
    SummaryLine line{.method = method.text("method"),
                     .tasks = table.tasks,
                     .seeds = method.count("seeds"),
                     .accuracy = read_estimate(method.object("accuracy")),
                     .calibration_error = method.number("calibration_error"),
                     .against = {}};
    for (const Fields& one : method.objects("against")) {
      line.against.push_back(read_comparison(one));
    }
    table.lines.push_back(std::move(line));
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
          .answers = at.choices("answers", at.count("n"))};
}

ReportResult read_result(const Fields& at, const Fields& times,
                         const std::vector<ReportTask>& tasks) {
  ReportResult result;
  const auto task = std::ranges::find(tasks, at.text("task"), &ReportTask::name);
  if (task == tasks.end()) throw at.wrong("task", "the name of one of the report's tasks");
  result.task = static_cast<std::size_t>(task - tasks.begin());
  result.method = at.text("method");
  result.k = at.count("k");
  result.seed = at.count("seed");
  result.calibrates = at.flag("label_calibration");
  result.choices = at.choices("choices", task->answers.size());
  result.choices_calibrated = at.choices("choices_calibrated", task->answers.size());
  result.cost = {.customize_seconds = times.number("customize_seconds"),
                 .answer_seconds = times.number("answer_seconds"),
                 .answer_tokens = at.count("answer_tokens"),
                 .prompt_tokens = at.count("prompt_tokens"),
                 .adapter_bytes = at.count("adapter_bytes"),
                 .shots = at.count("shots"),
                 .texts = at.count("texts"),
                 .labels = at.count("labels"),
                 .cut_questions = at.count("cut_questions")};
  return result;
}

void read_results(const Fields& all, ReportData& data) {
  const auto results = all.objects("results");
  const auto times = all.object("times").objects("results");
  if (times.size() != results.size()) {
    throw all.wrong("times.results", fmt::format("a list of {}", results.size()));
  }
  for (std::size_t i = 0; i < results.size(); ++i) {
    data.results.push_back(read_result(results[i], times[i], data.tasks));
  }
}

void read_settings(const Fields& at, const Fields& times, ReportData& data) {
  BenchSettings& settings = data.settings;
  const Fields model = at.object("model");
  const Fields prompt = at.object("prompt");
  settings.version = at.text("version");
  settings.command = times.text("command");
  settings.machine = times.text("machine");
  settings.model.name = model.text("name");
  settings.model.sha256 = model.text("sha256");
  settings.pool = at.text("pool");
  settings.multitask = at.text("multitask");
  settings.server = at.text("server");
  settings.context_tokens =
      static_cast<int>(std::min<std::size_t>(at.count("context_tokens"), 1U << 30U));
  settings.format.with_context = prompt.text("with_context");
  settings.format.without_context = prompt.text("without_context");
  settings.format.choice_prefix = prompt.text("choice_prefix");
  settings.n_adapters = at.count("n_adapters");
  data.scoring = at.text("scoring");
  data.questions = at.count("questions");
  for (const Fields& grid : at.objects("grids")) {
    data.grids.push_back({grid.texts("methods"), grid.counts("k"), grid.counts("seeds")});
  }
  for (const Fields& one : at.objects("missing_methods")) {
    data.missing.push_back({one.text("method"), one.text("why")});
  }
}

}  // namespace

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
  for (const Fields& at : all.objects("methods")) {
    data.methods.push_back({.name = at.text("name"),
                            .summary = at.text("summary"),
                            .sees = choice_of(at, "sees", {"labels", "texts", "nothing"}),
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
