// The summary: one table a group and switch, at the main K.
#include <fmt/format.h>

#include <algorithm>

#include "crayon/bench/internal/page.h"
#include "crayon/bench/internal/report_format.h"

namespace crayon {
namespace {

std::string head(const std::vector<std::string>& rivals) {
  std::string out =
      "<thead><tr><th scope=\"col\">Method</th><th scope=\"col\">Accuracy,&nbsp;%"
      "<small>95 % band</small></th>";
  for (const std::string& rival : rivals) {
    out += fmt::format(
        "<th scope=\"col\">Against {}<small>band; tasks won / tied / lost; p</small></th>",
        escaped(rival));
  }
  for (const auto& [title, note] :
       {std::pair("Calibration error", "of 1"), std::pair("Customise", "seconds"),
        std::pair("Texts", "seen"), std::pair("Labels", "seen"),
        std::pair("Prompt", "tokens a question"), std::pair("Adapter", "size"),
        std::pair("Answering", "tokens/s")}) {
    out += fmt::format("<th scope=\"col\">{}<small>{}</small></th>", title, note);
  }
  return out + "</tr></thead>\n";
}

std::string band(const TwoWayEstimate& estimate, std::string (*shown)(double)) {
  return with_minus(shown(estimate.low)) + " to " + with_minus(shown(estimate.high));
}

std::string p_value(double p) {
  return p < 0.001 ? "p&nbsp;&lt;&nbsp;0.001" : fmt::format("p&nbsp;{:.3f}", p);
}

std::string comparison_cell(const Comparison* comparison) {
  if (comparison == nullptr) return "<td class=\"none\">&ndash;</td>";
  const Comparison& c = *comparison;
  const char* direction = c.difference.mean > 0 ? "up" : "down";
  const std::string mark = significance(c);
  return fmt::format(
      "<td{}>{}{}<small>{}</small><small>{}&nbsp;/&nbsp;{}&nbsp;/&nbsp;{}; {}</small></td>",
      mark.empty() ? "" : fmt::format(" class=\"{}\"", direction),
      with_minus(points(c.difference.mean)), mark.empty() ? "" : "<b>*</b>",
      band(c.difference, points), c.counts.wins, c.counts.ties, c.counts.losses, p_value(c.holm_p));
}

std::string cell(const std::string& text) {
  return text.empty() ? "<td class=\"none\">&ndash;</td>"
                      : fmt::format("<td>{}</td>", escaped(text));
}

std::string number_cell(double number) { return cell(number > 0 ? short_number(number) : ""); }

std::string line_row(const ReportData& data, const SummaryTable& table, const SummaryLine& line,
                     const std::vector<std::string>& rivals) {
  std::string out = fmt::format("<tr><th scope=\"row\">{}</th><td>{}<small>{}</small></td>",
                                method_link(data, line.method), percent(line.accuracy.mean),
                                band(line.accuracy, percent));
  for (const std::string& rival : rivals) {
    out += comparison_cell(find_comparison(line.against, rival));
  }
  const MeanCost cost = mean_cost(data, table, line.method);
  const bool calibrated = table.label_calibration;
  out += cell(fmt::format("{:.3f}", line.calibration_error));
  out += cell(
      short_number(cost.customize_seconds + (calibrated ? cost.calibrate_seconds.value_or(0) : 0)));
  out += cell(short_number(calibrated ? cost.calibrated_texts : cost.texts));
  out += cell(short_number(cost.labels));
  out += number_cell(cost.prompt_tokens);
  out += cell(cost.adapter_bytes > 0 ? short_bytes(cost.adapter_bytes) : "");
  out += number_cell(cost.tokens_per_second);
  return out + "</tr>\n";
}

/// Rows: every method that one of ours is held to; columns: ours.
std::string ours_table(const ReportData& data, const SummaryTable& table) {
  std::string body = "<thead><tr><th scope=\"col\">Minus</th>";
  for (const OursLine& ours : table.ours) {
    body += fmt::format("<th scope=\"col\">{}<small>band; tasks won / tied / lost; p</small></th>",
                        escaped(ours.method));
  }
  body += "</tr></thead>\n<tbody>\n";
  for (const std::string& rival : rivals_of_ours(table)) {
    body += fmt::format("<tr><th scope=\"row\">{}</th>", method_link(data, rival));
    for (const OursLine& ours : table.ours) {
      body += comparison_cell(find_comparison(ours.against, rival));
    }
    body += "</tr>\n";
  }
  return table_box("summary", "Crayon&#39;s own methods minus each of the others, points",
                   body + "</tbody>\n");
}

/// What is to be known of the costs beside their numbers.
std::string cost_notes(const ReportData& data, const SummaryTable& table) {
  std::string out;
  if (table.label_calibration) {
    const bool is_known = std::ranges::all_of(table.lines, [&](const SummaryLine& line) {
      return mean_cost(data, table, line.method).calibrate_seconds.has_value();
    });
    out += fmt::format(
        "With label calibration on, every method also reads the texts of the K examples, though "
        "not their labels, and takes the time to score them, {}. ",
        is_known ? "which is part of the seconds to customise"
                 : "which this report does not know of all results and leaves out");
    if (const auto own = own_calibration(data); !own.empty()) {
      out += fmt::format("{} {} on it {}: the same numbers stand under off and on. ",
                         escaped(listed(own)), own.size() == 1 ? "decides" : "decide",
                         own.size() == 1 ? "itself" : "themselves");
    }
  }
  return fmt::format("<p class=\"note\">{}{}</p>\n", out, kCostCaution);
}

std::string one_table(const ReportData& data, const SummaryTable& table) {
  const auto rivals = rivals_of(table);
  const char* state = table.label_calibration ? "on" : "off";
  std::string body = head(rivals) + "<tbody>\n";
  for (const SummaryLine& line : table.lines) body += line_row(data, table, line, rivals);
  body += "</tbody>\n";
  std::string out = fmt::format("<div class=\"choice g-{} c-{}\">\n", table.group, state);
  out += table_box("summary",
                   fmt::format("{} ({}), K = {}, label calibration {}", group_title(table.group),
                               table.tasks, table.k, state),
                   body);
  out += cost_notes(data, table);
  if (!rivals_of_ours(table).empty()) out += ours_table(data, table);
  if (const auto names = left_out(data, table); !names.empty()) {
    out += fmt::format(
        "<p class=\"note\">Not in this table, for want of results on some of its "
        "tasks: {}.</p>\n",
        escaped(listed(names)));
  }
  if (const std::string unparsed = unparsed_text(data, table); !unparsed.empty()) {
    out +=
        fmt::format("<p class=\"note\">Replies that named no choice, counted as wrong: {}.</p>\n",
                    escaped(unparsed));
  }
  return out + "</div>\n";
}

}  // namespace

std::string summary_tables(const ReportData& data) {
  std::string out;
  if (groups_of(data).empty()) {
    out = "<p class=\"note\">No method has results for every task of a group.</p>\n";
  }
  const std::size_t k = main_k(data);
  for (const std::string& group : groups_of(data)) {
    for (const bool calibrated : {false, true}) {
      if (const SummaryTable* table = find_table(data, k, group, calibrated)) {
        out += one_table(data, *table);
      }
    }
  }
  return out;
}

}  // namespace crayon
