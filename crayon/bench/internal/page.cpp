#include "crayon/bench/internal/page.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cassert>
#include <nlohmann/json.hpp>
#include <set>

#include "crayon/bench/internal/page_text.h"
#include "crayon/bench/internal/report_format.h"

namespace crayon {
namespace {

using Json = nlohmann::ordered_json;

/// The plot over K has room for a few lines: what everything is held to, and what this is about.
constexpr const char* kFirstShown[] = {"base",   "uniform",        "multitask",
                                       "crayon", "crayon-refined", "customize"};

std::string seeds_text(const ReportData& data) {
  std::set<std::uint64_t> seeds;
  for (const ReportResult& result : data.results) seeds.insert(result.seed);
  return counted(seeds.size(), "draw");
}

std::string task_counts(const ReportData& data) {
  std::vector<std::string> parts;
  const std::pair<const char*, const char*> kinds[] = {{"far", "{} far from anything in the pool"},
                                                       {"near", "{} with a relative in the pool"},
                                                       {"pool", "{} that the pool was trained on"}};
  for (const auto& [kind, text] : kinds) {
    const auto n = std::ranges::count(data.tasks, kind, &ReportTask::kind);
    if (n > 0) parts.push_back(fmt::format(fmt::runtime(text), n));
  }
  return listed(parts);
}

std::string calibrated_tasks(const ReportData& data) {
  std::set<std::size_t> tasks;
  for (const ReportResult& result : data.results) {
    if (result.calibrates) tasks.insert(result.task);
  }
  return fmt::format("{} of {}", tasks.size(), data.tasks.size());
}

std::string radio(std::string_view group, std::string_view value, std::string_view label,
                  bool checked) {
  return fmt::format(
      R"(<label><input type="radio" name="{0}" id="{0}-{1}" value="{1}"{3}><span>{2}</span></label>)",
      group, value, label, checked ? " checked" : "");
}

Json plotted_line(const SummaryLine& line) {
  return {{"method", line.method},
          {"mean", line.accuracy.mean},
          {"low", line.accuracy.low},
          {"high", line.accuracy.high}};
}

std::string partial_note(const ReportData& data) {
  if (!is_partial(data)) return "";
  return fmt::format(
      "<p class=\"partial\"><b>Partial:</b> {} so far. A method stands in a table once it has "
      "results for every task of it; those with fewer draws of examples have wider bands.</p>\n",
      results_text(data));
}

/// "</script>" and "<!--" in a name would end or change the element.
std::string inside_script(std::string json) {
  for (std::size_t at = 0; (at = json.find('<', at)) != std::string::npos;) {
    json.replace(at, 1, "\\u003c");
  }
  return json;
}

}  // namespace

std::string fill(std::string_view text,
                 const std::map<std::string, std::string, std::less<>>& values) {
  std::string out;
  while (true) {
    const auto open = text.find("{{");
    out += text.substr(0, open);
    if (open == std::string_view::npos) return out;
    const auto close = text.find("}}", open);
    assert(close != std::string_view::npos);
    const auto value = values.find(text.substr(open + 2, close - open - 2));
    assert(value != values.end());
    out += value->second;
    text.remove_prefix(close + 2);
  }
}

std::string framed(const PageFrame& frame, std::string_view main) {
  std::vector<std::string> links;
  for (const auto& [id, title] : frame.sections) {
    links.push_back(fmt::format("<a href=\"#{}\">{}</a>", id, escaped(title)));
  }
  return fill(
      page_frame(),
      {{"title", escaped(fmt::format("{}: {} on {}", frame.heading, frame.pool, frame.model))},
       {"heading", escaped(frame.heading)},
       {"pool", escaped(frame.pool)},
       {"model", escaped(frame.model)},
       {"name", escaped(frame.name)},
       {"sections", fmt::format("{}", fmt::join(links, " "))},
       {"main", std::string(main)},
       {"more", frame.more},
       {"data", inside_script(frame.data)},
       {"style", page_style()},
       {"chart", chart_script()},
       {"script", frame.script}});
}

std::string with_minus(std::string text) {
  if (text.starts_with('-')) text.replace(0, 1, "\u2212");
  return text;
}

std::string method_id(const ReportData& data, const std::string& method) {
  const auto found = std::ranges::find(data.methods, method, &ReportMethod::name);
  return found == data.methods.end() ? "" : fmt::format("method-{}", found - data.methods.begin());
}

std::string method_link(const ReportData& data, const std::string& method) {
  const std::string id = method_id(data, method);
  return id.empty() ? escaped(method) : fmt::format("<a href=\"#{}\">{}</a>", id, escaped(method));
}

std::string table_box(std::string_view classes, std::string_view caption, std::string_view body) {
  return fmt::format(
      "<div class=\"box\" role=\"region\" tabindex=\"0\" aria-label=\"{1}\">\n"
      "<table class=\"{0}\">\n<caption><span>{1}</span></caption>\n{2}</table>\n</div>\n",
      classes, caption, body);
}

std::string lead_text(const ReportData& data) {
  const std::size_t k = main_k(data);
  const std::string most = data.questions == 0 ? "all" : fmt::format("at most {}", data.questions);
  std::string out = partial_note(data);
  out += fmt::format(
      "<p>Compared: {} to make the model <b>{}</b> good at a task from K&nbsp;=&nbsp;{} of its "
      "examples, on {} ({}), with {} questions a task and {} of the examples. No method sees the "
      "questions that it is asked.</p>\n"
      "<p>How to read it: accuracy is the share of questions answered right, in percent, as the "
      "mean over tasks. A 95&nbsp;% band says how far chance in the questions and in the draws of "
      "examples may have moved a number; it speaks of these tasks, not of others. Differences are "
      "in points, on the same questions and draws; <b>*</b> marks those whose p-value, corrected "
      "for all methods of the table (Holm), is below 0.05. Label calibration evens out what a "
      "method prefers among labels that all questions of a task share, without a look at the "
      "answers: here {} tasks have such labels.</p>\n",
      data.methods.size() == 1 ? "one way" : fmt::format("{} ways", data.methods.size()),
      escaped(data.settings.model.name), k, counted(data.tasks.size(), "task"), task_counts(data),
      most, seeds_text(data), calibrated_tasks(data));
  if (data.machines.size() > 1) {
    out += fmt::format(
        "<p>Seconds were measured on {} machines, named under <a href=\"#settings\">Settings</a>."
        "</p>\n",
        data.machines.size());
  }
  return out;
}

std::string switch_fields(const ReportData& data) {
  const auto groups = groups_of(data);
  std::string out = "<fieldset><legend>Tasks</legend>\n";
  for (const std::string& group : groups) {
    const std::string label = group == "pool" ? "pool's own" : group;
    out += radio("group", group, label, group == groups.front()) + "\n";
  }
  out += "</fieldset>\n<fieldset><legend>Label calibration</legend>\n";
  out += radio("calibration", "off", "off", true) + "\n";
  out += radio("calibration", "on", "on", false) + "\n";
  return out + "</fieldset>\n";
}

std::string plot_data(const ReportData& data) {
  Json json = {{"k", main_k(data)}, {"first_shown", kFirstShown}, {"tables", Json::array()}};
  for (const SummaryTable& table : data.summary.tables) {
    Json lines = Json::array();
    for (const SummaryLine& line : table.lines) lines.push_back(plotted_line(line));
    json["tables"].push_back({{"k", table.k},
                              {"group", table.group},
                              {"calibration", table.label_calibration ? "on" : "off"},
                              {"lines", lines}});
  }
  return json.dump(-1, ' ', /*ensure_ascii=*/true);
}

}  // namespace crayon
