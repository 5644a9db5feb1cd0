// A report's results, as a run takes them over.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "crayon/bench/internal/report_data.h"
#include "crayon/bench/internal/report_fields.h"
#include "crayon/bench/report.h"

namespace crayon {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kKeyDigits = 64;

/// What is worked out from the results, or of no use to them, is not read.
bool is_needed(int /*depth*/, Json::parse_event_t event, Json& value) {
  static const std::set<std::string> kOthers = {
      "settings", "methods", "tables",  "task_lines",
      "tasks",    "ids",     "choices", "choices_calibrated"};
  return event != Json::parse_event_t::key ||
         !kOthers.contains(value.get_ref<const std::string&>());
}

std::string read_key(const Fields& at) {
  auto key = at.text("key");
  if (key.size() != kKeyDigits || key.find_first_not_of("0123456789abcdef") != std::string::npos) {
    throw at.wrong("key", "a SHA-256 of 64 hexadecimal digits");
  }
  return key;
}

bool same_shape(const ScoreTable& a, const ScoreTable& b) {
  return std::ranges::equal(a, b, {}, &std::vector<float>::size, &std::vector<float>::size);
}

BenchResult read_one(const Fields& at, const Fields& times,
                     const std::vector<std::string>& machines) {
  BenchResult result;
  result.task = at.text("task");
  result.method = at.text("method");
  result.key = read_key(at);
  result.weights = at.numbers("weights");
  result.calibrates = at.flag("label_calibration");
  result.scores = at.table("scores");
  result.calibrated = at.table("scores_calibrated");
  if (!result.calibrates) {
    if (!result.calibrated.empty()) throw at.wrong("scores_calibrated", "no scores");
    result.calibrated = result.scores;
  }
  if (!same_shape(result.scores, result.calibrated)) {
    throw at.wrong("scores_calibrated", "as many scores as without calibration");
  }
  for (const std::uint64_t i : at.counts_if_any("unparsed")) {
    if (i >= result.scores.size()) throw at.wrong("unparsed", "indices of the result's questions");
    result.unparsed.push_back(i);
  }
  result.cost = read_cost(at, times);
  result.machine = machines[read_machine(times, machines.size())];
  finish(result);
  return result;
}

}  // namespace

EarlierResults read_results(const std::filesystem::path& path) {
  EarlierResults earlier{.name = path.string(), .results = {}};
  const Json parsed = Json::parse(read_report(path), is_needed, /*allow_exceptions=*/false);
  const Fields all(parsed, earlier.name, "");
  const Fields times = all.object("times");
  const auto machines = times.texts("machines");
  const auto costs = times.objects("results");
  const auto results = all.objects("results");
  if (costs.size() != results.size()) throw wrong_times(all, results.size());
  for (std::size_t i = 0; i < results.size(); ++i) {
    earlier.results.push_back(read_one(results[i], costs[i], machines));
  }
  return earlier;
}

}  // namespace crayon
