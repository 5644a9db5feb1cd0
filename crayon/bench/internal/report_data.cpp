#include "crayon/bench/internal/report_data.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

namespace crayon {
namespace {

/// The training split's rows are others than the K.
std::size_t calibrated_texts(const ReportData& data, const ReportResult& result) {
  if (!result.calibrates) return result.cost.texts;
  const auto method = std::ranges::find(data.methods, result.method, &ReportMethod::name);
  const bool of_training = method != data.methods.end() && method->sees == "training";
  return of_training ? result.cost.texts + result.k : std::max(result.cost.texts, result.k);
}

}  // namespace

bool is_in_group(const std::string& kind, const std::string& group) {
  if (group == "all") return true;
  return group == "held-out" ? kind != "pool" : kind == group;
}

std::vector<std::size_t> all_k(const ReportData& data) {
  std::set<std::size_t> found;
  for (const TaskLine& line : data.summary.tasks) found.insert(line.k);
  return {found.begin(), found.end()};
}

std::size_t main_k(const ReportData& data) {
  std::map<std::size_t, std::set<std::string>> methods;
  for (const TaskLine& line : data.summary.tasks) methods[line.k].insert(line.method);
  std::size_t best = 0;
  std::size_t most = 0;
  for (const auto& [k, names] : methods) {
    if (names.size() < most) continue;
    best = k;
    most = names.size();
  }
  return best;
}

const SummaryTable* find_table(const ReportData& data, std::size_t k, const std::string& group,
                               bool label_calibration) {
  for (const SummaryTable& table : data.summary.tables) {
    if (table.k == k && table.group == group && table.label_calibration == label_calibration) {
      return &table;
    }
  }
  return nullptr;
}

std::vector<std::string> groups_of(const ReportData& data) {
  std::vector<std::string> found;
  const std::size_t k = main_k(data);
  for (const char* group : {"held-out", "near", "far", "pool", "all"}) {
    if (find_table(data, k, group, false) != nullptr) found.emplace_back(group);
  }
  return found;
}

MeanCost mean_cost(const ReportData& data, const SummaryTable& table, const std::string& method) {
  MeanCost mean;
  double results = 0;
  double seconds = 0;
  double tokens = 0;
  double calibrate_seconds = 0;
  for (const ReportResult& result : data.results) {
    const ReportTask& task = data.tasks[result.task];
    if (result.method != method || result.k != table.k || !is_in_group(task.kind, table.group)) {
      continue;
    }
    const BenchCost& cost = result.cost;
    const auto questions = static_cast<double>(std::max<std::size_t>(task.answers.size(), 1));
    results += 1;
    mean.texts += static_cast<double>(cost.texts);
    mean.calibrated_texts += static_cast<double>(calibrated_texts(data, result));
    mean.labels += static_cast<double>(cost.labels);
    mean.customize_seconds += cost.customize_seconds;
    if (result.calibrates && !cost.calibrate_seconds) mean.calibrate_seconds.reset();
    if (result.calibrates) calibrate_seconds += cost.calibrate_seconds.value_or(0);
    mean.prompt_tokens += static_cast<double>(cost.prompt_tokens) / questions;
    mean.adapter_bytes += static_cast<double>(cost.adapter_bytes);
    seconds += cost.answer_seconds;
    tokens += static_cast<double>(cost.answer_tokens);
  }
  if (results == 0) return mean;
  for (double* sum : {&mean.texts, &mean.calibrated_texts, &mean.labels, &mean.customize_seconds,
                      &mean.prompt_tokens, &mean.adapter_bytes}) {
    *sum /= results;
  }
  if (mean.calibrate_seconds) mean.calibrate_seconds = calibrate_seconds / results;
  mean.tokens_per_second = seconds > 0 ? tokens / seconds : 0;
  return mean;
}

std::vector<std::string> own_calibration(const ReportData& data) {
  using Cell = std::tuple<std::size_t, std::size_t, std::uint64_t>;  // task, K, seed
  std::set<Cell> calibrated;
  std::set<std::string> of_switch;
  for (const ReportResult& result : data.results) {
    if (!result.calibrates) continue;
    calibrated.emplace(result.task, result.k, result.seed);
    of_switch.insert(result.method);
  }
  std::vector<std::string> found;
  for (const ReportMethod& method : data.methods) {
    const bool is_left_alone = std::ranges::any_of(data.results, [&](const ReportResult& result) {
      return result.method == method.name &&
             calibrated.contains({result.task, result.k, result.seed});
    });
    if (is_left_alone && !of_switch.contains(method.name)) found.push_back(method.name);
  }
  return found;
}

}  // namespace crayon
