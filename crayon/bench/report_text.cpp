#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "crayon/base/text.h"
#include "crayon/bench/internal/report_format.h"
#include "crayon/bench/internal/text_table.h"

namespace crayon {
namespace {

constexpr std::size_t kTextColumns = 100;
constexpr std::size_t kNameBytes = 16;  ///< Leaves room for three rivals in 100 columns.

/// "+3.2*  1.0..5.4", or a dash.
std::string comparison_text(const Comparison* c) {
  if (c == nullptr) return fmt::format("{:>5}  {:<10}", "-", "");
  const auto edge = [](double x) {
    const std::string text = points(x);
    return text.starts_with('+') ? text.substr(1) : text;
  };
  return fmt::format("{:>5}{:1} {:<10}", points(c->difference.mean), significance(*c),
                     edge(c->difference.low) + ".." + edge(c->difference.high));
}

std::string accuracy_table(const SummaryTable& table) {
  const auto rivals = rivals_of(table);
  std::vector<std::string> head{"method", "acc %", "95 % band"};
  for (const std::string& rival : rivals) head.push_back(fmt::format("{:<17}", "  - " + rival));
  head.emplace_back("ECE");
  std::vector<std::vector<std::string>> rows{head};
  for (const SummaryLine& line : table.lines) {
    std::vector<std::string> row{cell_name(line.method, kNameBytes), percent(line.accuracy.mean),
                                 percent(line.accuracy.low) + ".." + percent(line.accuracy.high)};
    for (const std::string& rival : rivals) {
      row.push_back(comparison_text(find_comparison(line.against, rival)));
    }
    row.push_back(fmt::format("{:.3f}", line.calibration_error));
    rows.push_back(std::move(row));
  }
  return fmt::format("{} ({}), K = {}, label calibration {}\n{}\n", group_title(table.group),
                     table.tasks, table.k, table.label_calibration ? "on" : "off",
                     text_table(rows));
}

/// Ours less every other method; nothing where the report has none of them.
std::string ours_table(const SummaryTable& table) {
  const auto rivals = rivals_of_ours(table);
  if (rivals.empty()) return "";
  std::vector<std::vector<std::string>> rows{{"minus"}};
  for (const OursLine& ours : table.ours) rows[0].push_back(fmt::format("{:<17}", ours.method));
  for (const std::string& rival : rivals) {
    std::vector<std::string> row{cell_name(rival, kNameBytes)};
    for (const OursLine& ours : table.ours) {
      row.push_back(comparison_text(find_comparison(ours.against, rival)));
    }
    rows.push_back(std::move(row));
  }
  return fmt::format(
      "Crayon's own methods minus each of the others, K = {}, label calibration {}\n{}\n", table.k,
      table.label_calibration ? "on" : "off", text_table(rows));
}

/// Without label calibration; what that takes more has a column where it is known.
std::string cost_table(const ReportData& data, const SummaryTable& table) {
  std::vector<std::vector<std::string>> rows{{"method", "texts", "labels", "customise s",
                                              "calibrate s", "prompt tokens", "adapter",
                                              "answer tokens/s"}};
  const auto or_dash = [](double x) { return x > 0 ? short_number(x) : std::string("-"); };
  for (const SummaryLine& line : table.lines) {
    const MeanCost cost = mean_cost(data, table, line.method);
    rows.push_back({cell_name(line.method, kNameBytes), short_number(cost.texts),
                    short_number(cost.labels), short_number(cost.customize_seconds),
                    or_dash(cost.calibrate_seconds.value_or(0)), or_dash(cost.prompt_tokens),
                    cost.adapter_bytes > 0 ? short_bytes(cost.adapter_bytes) : "-",
                    or_dash(cost.tokens_per_second)});
  }
  return fmt::format("Costs, K = {}: means over the tasks; prompt tokens a question\n{}\n", table.k,
                     text_table(rows));
}

/// What the tables mean.
std::string legend(const ReportData& data) {
  std::string out =
      "Accuracy: share of questions answered right, mean over tasks. Differences are in points on "
      "the same questions, with their 95 % band; * p < 0.05, corrected for the methods of the "
      "table (Holm). ECE: expected calibration error of the top choice's share. With label "
      "calibration every method also reads the texts of the K examples, though not their labels, "
      "and takes the time to score them (calibrate s; -: none, or not measured). ";
  if (const auto own = own_calibration(data); !own.empty()) {
    out += fmt::format("{} {} on it alone: off and on are the same. ", one_line(listed(own)),
                       own.size() == 1 ? "decides" : "decide");
  }
  return wrapped(out + kCostCaution, kTextColumns);
}

std::string heading(const ReportData& data) {
  std::string out = fmt::format(
      "Crayon benchmark: pool {} on {}\n"
      "{}, {}; score of a choice: {}; numbers of the model: {}\n",
      one_line(data.settings.pool), one_line(data.settings.model.name),
      counted(data.tasks.size(), "task"), counted(data.methods.size(), "method"),
      one_line(data.scoring), one_line(data.number_type));
  for (const std::string& machine : machines_of(data)) {
    out += "Machine: " + one_line(machine) + "\n";
  }
  if (is_partial(data)) out += "PARTIAL: " + results_text(data) + " so far\n";
  return out + "\n";
}

}  // namespace

std::string report_text(const std::string& json, const std::string& name) {
  const ReportData data = parse_report(json, name);
  std::string out = heading(data);
  const auto groups = groups_of(data);
  for (const std::size_t k : all_k(data)) {
    const SummaryTable* shown = nullptr;
    for (const bool calibrated : {false, true}) {
      const SummaryTable* table =
          groups.empty() ? nullptr : find_table(data, k, groups.front(), calibrated);
      if (table == nullptr) continue;
      out += accuracy_table(*table);
      shown = table;
    }
    if (shown == nullptr) continue;
    out += ours_table(*shown) + cost_table(data, *shown);
    if (const std::string unparsed = unparsed_text(data, *shown); !unparsed.empty()) {
      out += wrapped("Replies that named no choice, counted as wrong: " + one_line(unparsed),
                     kTextColumns) +
             "\n";
    }
  }
  out += groups.empty() ? "No table: no method has results for every task of a group.\n"
                        : legend(data);
  if (data.machines.size() > 1) out += "Seconds were measured on several machines.\n";
  for (const Unavailable& one : data.missing) {
    out += fmt::format("Not run: {}: {}\n", one_line(one.method), one_line(one.why));
  }
  return out;
}

}  // namespace crayon
