#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "crayon/base/error.h"
#include "crayon/base/text.h"
#include "crayon/bench/internal/report_data.h"
#include "crayon/bench/internal/report_format.h"
#include "crayon/bench/internal/text_table.h"

namespace crayon {
namespace {

constexpr std::size_t kNameBytes = 24;
constexpr std::size_t kLeastQuestions = 2;  ///< Fewer say nothing about their own spread.
constexpr double kSignificant = 0.05;

/// Right or wrong for each question, by seed.
using BySeed = std::map<std::uint64_t, std::vector<double>>;
/// K, label calibration, method.
using Line = std::tuple<std::size_t, bool, std::string>;

/// The tasks of two reports: indices of those with the same questions, and why others are not.
struct TaskPairs {
  std::vector<std::pair<std::size_t, std::size_t>> same;
  std::vector<std::string> notes;
};

struct Pairing {
  Line line;
  std::size_t tasks = 0;
  TwoWayEstimate a;
  TwoWayEstimate b;
  TwoWayEstimate difference;  ///< b - a
};

TaskPairs pair_tasks(const ReportData& a, const ReportData& b) {
  TaskPairs pairs;
  for (std::size_t i = 0; i < a.tasks.size(); ++i) {
    const ReportTask& task = a.tasks[i];
    const std::string name = one_line(task.name);
    const auto found = std::ranges::find(b.tasks, task.name, &ReportTask::name);
    if (found == b.tasks.end()) {
      pairs.notes.push_back(fmt::format("{}: in A only", name));
    } else if (found->questions_sha256 != task.questions_sha256 || found->answers != task.answers) {
      pairs.notes.push_back(fmt::format("{}: its questions differ", name));
    } else if (task.answers.size() < kLeastQuestions) {
      pairs.notes.push_back(fmt::format("{}: has a single question", name));
    } else {
      pairs.same.emplace_back(i, static_cast<std::size_t>(found - b.tasks.begin()));
    }
  }
  for (const ReportTask& task : b.tasks) {
    if (std::ranges::find(a.tasks, task.name, &ReportTask::name) == a.tasks.end()) {
      pairs.notes.push_back(fmt::format("{}: in B only", one_line(task.name)));
    }
  }
  return pairs;
}

BySeed answers_of(const ReportData& data, const Line& line, std::size_t task) {
  const auto& [k, calibrated, method] = line;
  const std::vector<int>& answers = data.tasks[task].answers;
  BySeed found;
  for (const ReportResult& result : data.results) {
    if (result.task != task || result.method != method || result.k != k) continue;
    const auto& choices = calibrated ? result.choices_calibrated : result.choices;
    std::vector<double>& right = found[result.seed];
    right.clear();
    for (std::size_t i = 0; i < answers.size(); ++i) right.push_back(choices[i] == answers[i]);
  }
  return found;
}

/// Puts one task's rows of the seeds that both have behind those of other tasks.
void add_common(const BySeed& a, const BySeed& b, std::vector<TaskScores>& rows_a,
                std::vector<TaskScores>& rows_b) {
  TaskScores common_a;
  TaskScores common_b;
  for (const auto& [seed, right] : a) {
    const auto found = b.find(seed);
    if (found == b.end()) continue;
    common_a.push_back(right);
    common_b.push_back(found->second);
  }
  if (common_a.empty()) return;
  rows_a.push_back(std::move(common_a));
  rows_b.push_back(std::move(common_b));
}

std::set<Line> lines_of(const ReportData& data) {
  std::set<Line> found;
  for (const ReportResult& result : data.results) {
    for (const bool calibrated : {false, true}) {
      found.emplace(result.k, calibrated, result.method);
    }
  }
  return found;
}

/// Methods in the order of the first report.
std::vector<Line> common_lines(const ReportData& a, const ReportData& b) {
  std::vector<Line> lines;
  std::ranges::set_intersection(lines_of(a), lines_of(b), std::back_inserter(lines));
  const auto place = [&](const Line& line) {
    const auto& [k, calibrated, method] = line;
    const auto found = std::ranges::find(a.methods, method, &ReportMethod::name);
    return std::tuple(k, calibrated, found - a.methods.begin(), method);
  };
  std::ranges::sort(lines, {}, place);
  return lines;
}

std::vector<Pairing> pair_lines(const ReportData& a, const ReportData& b, const TaskPairs& tasks) {
  std::vector<Pairing> pairings;
  for (const Line& line : common_lines(a, b)) {
    std::vector<TaskScores> rows_a;
    std::vector<TaskScores> rows_b;
    for (const auto& [in_a, in_b] : tasks.same) {
      add_common(answers_of(a, line, in_a), answers_of(b, line, in_b), rows_a, rows_b);
    }
    if (rows_a.empty()) continue;
    pairings.push_back({.line = line,
                        .tasks = rows_a.size(),
                        .a = two_way_bootstrap(rows_a),
                        .b = two_way_bootstrap(rows_b),
                        .difference = two_way_bootstrap(paired_differences(rows_b, rows_a))});
  }
  return pairings;
}

std::string pairings_table(const std::vector<Pairing>& pairings) {
  std::vector<double> p;
  for (const Pairing& one : pairings) p.push_back(one.difference.p_value);
  const auto corrected = holm(p);
  std::vector<std::vector<std::string>> rows{
      {"method", "K", "calibration", "tasks", "A %", "B %", "B - A ", "95 % band", "p (Holm)"}};
  for (std::size_t i = 0; i < pairings.size(); ++i) {
    const Pairing& one = pairings[i];
    const auto& [k, calibrated, method] = one.line;
    rows.push_back({cell_name(method, kNameBytes), fmt::format("{}", k), calibrated ? "on" : "off",
                    fmt::format("{}", one.tasks), percent(one.a.mean), percent(one.b.mean),
                    points(one.difference.mean) + (corrected[i] < kSignificant ? "*" : " "),
                    points(one.difference.low) + ".." + points(one.difference.high),
                    corrected[i] < 0.001 ? "<0.001" : fmt::format("{:.3f}", corrected[i])});
  }
  return text_table(rows);
}

using Setting = std::pair<std::string, std::string>;

std::vector<Setting> settings_of(const ReportData& data) {
  const BenchSettings& s = data.settings;
  return {{"version of Crayon", s.version},
          {"model", fmt::format("{} {}", s.model.name, s.model.sha256)},
          {"pool", fmt::format("{} ({})", s.pool, counted(s.n_adapters, "adapter"))},
          {"multitask pool", s.multitask},
          {"server's model", s.server},
          {"score of a choice", data.scoring},
          {"numbers of the model", data.number_type},
          {"exact", data.exact ? "yes" : "no"},
          {"questions a task", fmt::format("{}", data.questions)},
          {"context tokens", fmt::format("{}", s.context_tokens)},
          {"prompt with context", s.format.with_context},
          {"prompt without context", s.format.without_context},
          {"before a choice", fmt::format("\"{}\"", s.format.choice_prefix)}};
}

std::string differing_settings(const ReportData& a, const ReportData& b) {
  std::string out;
  const auto differ = [&](const std::string& what, const std::string& x, const std::string& y) {
    out += fmt::format("  {}\n    A  {}\n    B  {}\n", one_line(what),
                       x.empty() ? "none" : one_line(x), y.empty() ? "none" : one_line(y));
  };
  const auto of_a = settings_of(a);
  const auto of_b = settings_of(b);
  for (std::size_t i = 0; i < of_a.size(); ++i) {
    if (of_a[i] != of_b[i]) differ(of_a[i].first, of_a[i].second, of_b[i].second);
  }
  for (const ReportMethod& method : a.methods) {
    const auto found = std::ranges::find(b.methods, method.name, &ReportMethod::name);
    if (found == b.methods.end() || found->version == method.version) continue;
    differ("version of method " + method.name, fmt::format("{}", method.version),
           fmt::format("{}", found->version));
  }
  return out.empty() ? "Settings: the same in both\n" : "Settings that differ:\n" + out;
}

std::string tasks_text(const ReportData& a, const ReportData& b, const TaskPairs& tasks) {
  std::string out =
      fmt::format("Tasks with the same questions in both: {} of {} in A and {} in B\n",
                  tasks.same.size(), a.tasks.size(), b.tasks.size());
  for (const std::string& note : tasks.notes) out += "  left out: " + note + "\n";
  for (const auto& [in_a, in_b] : tasks.same) {
    if (a.tasks[in_a].examples_sha256 == b.tasks[in_b].examples_sha256) continue;
    out += fmt::format("  {}: the same questions, but other examples to customise from\n",
                       one_line(a.tasks[in_a].name));
  }
  return out;
}

std::string partial_notes(const ReportData& a, const ReportData& b) {
  std::string out;
  for (const auto& [name, data] : {std::pair("A", &a), std::pair("B", &b)}) {
    if (!is_partial(*data)) continue;
    out += fmt::format("{} is partial: {}\n", name, results_text(*data));
  }
  return out;
}

std::string compare(const ReportData& a, const ReportData& b) {
  const TaskPairs tasks = pair_tasks(a, b);
  std::string out =
      fmt::format("A  {}\nB  {}\n{}{}{}\n", one_line(a.name), one_line(b.name), partial_notes(a, b),
                  differing_settings(a, b), tasks_text(a, b, tasks));
  const auto pairings = pair_lines(a, b, tasks);
  if (tasks.same.empty()) {
    return out + "The questions differ: no task can be compared.\n";
  }
  if (pairings.empty()) {
    return out + "No method was run in both with the same K and seed: nothing to compare.\n";
  }
  return out + pairings_table(pairings) +
         "\nMeans over the tasks and seeds that both have; differences in points, question by "
         "question.\n* p < 0.05, corrected for all lines (Holm).\n";
}

}  // namespace

std::string compare_text(const std::vector<NamedReport>& reports) {
  if (reports.size() < 2) {
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("{} to compare, expected two or more; name another file",
                            counted(reports.size(), "report")));
  }
  const ReportData first = parse_report(reports.front().json, reports.front().name);
  std::string out;
  for (std::size_t i = 1; i < reports.size(); ++i) {
    if (i > 1) out += "\n";
    out += compare(first, parse_report(reports[i].json, reports[i].name));
  }
  return out;
}

}  // namespace crayon
