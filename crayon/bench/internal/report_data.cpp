#include "crayon/bench/internal/report_data.h"

#include <algorithm>
#include <map>
#include <set>

namespace crayon {

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

MeanCost mean_cost(const ReportData& data, const std::string& method, std::size_t k,
                   const std::string& group) {
  MeanCost mean;
  double results = 0;
  double seconds = 0;
  double tokens = 0;
  for (const ReportResult& result : data.results) {
    const ReportTask& task = data.tasks[result.task];
    if (result.method != method || result.k != k || !is_in_group(task.kind, group)) continue;
    const BenchCost& cost = result.cost;
    const auto questions = static_cast<double>(std::max<std::size_t>(task.answers.size(), 1));
    results += 1;
    mean.texts += static_cast<double>(cost.texts);
    mean.labels += static_cast<double>(cost.labels);
    mean.customize_seconds += cost.customize_seconds;
    mean.prompt_tokens += static_cast<double>(cost.prompt_tokens) / questions;
    mean.adapter_bytes += static_cast<double>(cost.adapter_bytes);
    seconds += cost.answer_seconds;
    tokens += static_cast<double>(cost.answer_tokens);
  }
  if (results == 0) return mean;
  for (double* sum : {&mean.texts, &mean.labels, &mean.customize_seconds, &mean.prompt_tokens,
                      &mean.adapter_bytes}) {
    *sum /= results;
  }
  mean.tokens_per_second = seconds > 0 ? tokens / seconds : 0;
  return mean;
}

}  // namespace crayon
