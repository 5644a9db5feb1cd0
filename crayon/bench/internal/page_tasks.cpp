// Accuracy of every method on every task, at the main K: one table a switch.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "crayon/bench/internal/page.h"
#include "crayon/bench/internal/report_format.h"

namespace crayon {
namespace {

using Cells = std::map<std::pair<std::string, std::string>, const TaskLine*>;  ///< task, method

struct TaskTable {
  std::vector<std::string> methods;  ///< In the order of the report.
  Cells cells;
};

TaskTable collect(const ReportData& data, std::size_t k, bool calibrated) {
  TaskTable table;
  for (const TaskLine& line : data.summary.tasks) {
    if (line.k != k || line.label_calibration != calibrated) continue;
    table.cells[{line.task, line.method}] = &line;
  }
  const auto is_used = [&](const std::string& method) {
    return std::ranges::any_of(table.cells,
                               [&](const auto& c) { return c.first.second == method; });
  };
  for (const ReportMethod& method : data.methods) {
    if (is_used(method.name)) table.methods.push_back(method.name);
  }
  return table;
}

std::string head(const ReportData& data, const TaskTable& table) {
  std::string out = "<thead><tr><th scope=\"col\">Task</th><th scope=\"col\">Questions</th>";
  for (const std::string& method : table.methods) {
    out += fmt::format("<th scope=\"col\">{}</th>", method_link(data, method));
  }
  return out + "</tr></thead>\n";
}

/// What the table shows of an accuracy: equal texts are equally good.
double best_of(const TaskTable& table, const std::string& task) {
  double best = -1;
  for (const std::string& method : table.methods) {
    const auto found = table.cells.find({task, method});
    if (found != table.cells.end()) best = std::max(best, found->second->accuracy);
  }
  return best;
}

std::string cell(const TaskLine& line, double best) {
  const bool is_best = percent(line.accuracy) == percent(best);
  return fmt::format(
      "<td{}>{}<small>&plusmn;&nbsp;{}</small></td>", is_best ? " class=\"best\"" : "",
      is_best
          ? fmt::format("<b>{}<span class=\"hidden\"> (best)</span></b>", percent(line.accuracy))
          : percent(line.accuracy),
      percent(line.standard_error));
}

std::string task_row(const ReportTask& task, const TaskTable& table) {
  std::string out = fmt::format("<tr><th scope=\"row\">{}</th><td>{}</td>", escaped(task.name),
                                task.answers.size());
  const double best = best_of(table, task.name);
  for (const std::string& method : table.methods) {
    const auto found = table.cells.find({task.name, method});
    out +=
        found == table.cells.end() ? "<td class=\"none\">&ndash;</td>" : cell(*found->second, best);
  }
  return out + "</tr>\n";
}

std::string one_table(const ReportData& data, std::size_t k, bool calibrated) {
  const TaskTable table = collect(data, k, calibrated);
  std::string body = head(data, table);
  for (const char* kind : {"near", "far", "pool"}) {
    std::string rows;
    for (const ReportTask& task : data.tasks) {
      if (task.kind == kind) rows += task_row(task, table);
    }
    if (rows.empty()) continue;
    body += fmt::format(
        "<tbody>\n<tr class=\"group\"><th scope=\"rowgroup\">{}</th>"
        "<td colspan=\"{}\"></td></tr>\n{}</tbody>\n",
        group_title(kind), table.methods.size() + 1, rows);
  }
  const char* state = calibrated ? "on" : "off";
  return fmt::format(
      "<div class=\"choice c-{}\">\n{}</div>\n", state,
      table_box("tasks",
                fmt::format("Accuracy, % (&plusmn; standard error), K = {}, label calibration {}",
                            k, state),
                body));
}

}  // namespace

std::string task_tables(const ReportData& data) {
  const std::size_t k = main_k(data);
  return one_table(data, k, false) + one_table(data, k, true);
}

}  // namespace crayon
