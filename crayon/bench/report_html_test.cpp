// Reports as a page.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "crayon/bench/internal/made_report_test.h"

namespace crayon {
namespace {

using Json = nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

/// The text between two marks, the first of each.
std::string between(const std::string& text, const std::string& from, const std::string& to) {
  const auto begin = text.find(from);
  if (begin == std::string::npos) return "(no " + from + ")";
  return text.substr(begin, text.find(to, begin) - begin);
}

/// What stands between two marks, everywhere.
std::vector<std::string> all_between(const std::string& text, const std::string& from, char to) {
  std::vector<std::string> found;
  for (auto at = text.find(from); at != std::string::npos; at = text.find(from, at + 1)) {
    const auto begin = at + from.size();
    found.push_back(text.substr(begin, text.find(to, begin) - begin));
  }
  return found;
}

std::string without_scripts(const std::string& html) {
  std::string out;
  for (std::size_t at = 0; at < html.size();) {
    const auto script = html.find("<script", at);
    out += html.substr(at, script - at);
    if (script == std::string::npos) break;
    at = html.find("</script>", script) + 9;
  }
  return out;
}

TEST(ReportHtml, HasATableForEachGroupAndSwitchWithoutAScript) {
  const std::string page = without_scripts(report_html(report(), "r.json"));
  for (const char* group : {"Held-out tasks (2)", "Near tasks (1)", "Far tasks (1)",
                            "The pool's own tasks (1)", "All tasks (3)"}) {
    for (const char* state : {"off", "on"}) {
      EXPECT_THAT(page, HasSubstr(std::string(group) + ", K = 32, label calibration " + state));
    }
  }
  const std::string table =
      between(page, "<caption><span>Held-out tasks (2), K = 32, label calibration off", "</table>");
  const std::string row = between(table, ">crayon</a></th>", "</tr>");
  EXPECT_THAT(row, AllOf(HasSubstr("<td>75.0<small>"), HasSubstr(">+25.0"), HasSubstr(">+41.7"),
                         HasSubstr("<td>12</td>"), HasSubstr("<td>77</td>"),
                         HasSubstr("<td>1.5 MB</td>"), HasSubstr("<td>450</td>")));
  EXPECT_THAT(between(table, ">uniform</a></th>", "</tr>"), HasSubstr("\u221216.7"));
  EXPECT_THAT(page, HasSubstr("no server &lt;named&gt;"));
  const std::string ours =
      between(page.substr(page.find(table)), "minus each of the others", "</table>");
  EXPECT_THAT(between(ours, ">base</a></th>", "</tr>"), HasSubstr(">+25.0"));
  EXPECT_THAT(between(ours, ">uniform</a></th>", "</tr>"), HasSubstr(">+41.7"));
  EXPECT_THAT(ours, Not(HasSubstr(">crayon</a></th>")));
}

/// Costs with label calibration are those without it, and what it takes to score the K texts.
TEST(ReportHtml, CountsWhatLabelCalibrationReadsAndTakes) {
  Fixture made = small_fixture();
  for (BenchResult& result : made.run.results) {
    result.cost.calibrate_seconds = 8;
    if (result.method != "crayon") continue;
    result.calibrates = false;
    result.calibrated = result.scores;
    result.cost.calibrate_seconds.reset();
  }
  const std::string page = report_html(made.json(), "r");
  const auto row = [&](const std::string& state, const std::string& method) {
    const std::string table =
        between(page, "Held-out tasks (2), K = 32, label calibration " + state, "</table>");
    return between(table, ">" + method + "</a></th>", "</tr>");
  };
  EXPECT_THAT(row("off", "base"), HasSubstr("<td>12</td><td>0</td><td>0</td>"));
  EXPECT_THAT(row("on", "base"), HasSubstr("<td>16</td><td>16</td><td>0</td>"));
  EXPECT_THAT(row("on", "crayon"), HasSubstr("<td>12</td><td>32</td><td>0</td>"));
  EXPECT_THAT(page, AllOf(HasSubstr("which is part of the seconds to customise"),
                          HasSubstr("crayon decides on it itself"),
                          HasSubstr("in one pass on a quiet machine")));
  std::string text = report_text(made.json(), "r");
  EXPECT_EQ(line_after(text, "Costs, K = 32", "base"), "base 0 0 12 4 77 - 450");
  std::ranges::replace(text, '\n', ' ');
  EXPECT_THAT(text, HasSubstr("crayon decides on it alone"));
}

TEST(ReportHtml, SaysWhatReportsOfEarlierVersionsDoNotKnow) {
  Json earlier = Json::parse(small_report());
  for (const char* key : {"commit", "pool_sha256", "multitask_sha256"}) {
    earlier["settings"].erase(key);
  }
  for (Json& task : earlier["tasks"]) task.erase("training_sha256");
  const std::string page = report_html(earlier.dump(), "r");
  EXPECT_THAT(page, AllOf(HasSubstr("<dt>Commit</dt><dd>unknown</dd>"),
                          HasSubstr("pool.json</dt><dd><code>unknown</code>"),
                          HasSubstr("leaves out"), Not(HasSubstr("decides on it"))));
}

TEST(ReportHtml, NamesTheCommitAndThePoolsHash) {
  Fixture made = small_fixture();
  made.settings.commit = "3e1da71ac0b2+";
  made.settings.pool_sha256 = std::string(64, 'b');
  made.settings.multitask_sha256 = std::string(64, 'd');
  EXPECT_THAT(
      report_html(made.json(), "r"),
      AllOf(HasSubstr("<dt>Commit</dt><dd>3e1da71ac0b2+</dd>"),
            HasSubstr(made.settings.pool_sha256), HasSubstr(made.settings.multitask_sha256)));
}

TEST(ReportHtml, MarksTheBestOfEachTask) {
  const std::string page = report_html(report(), "r.json");
  const std::string table = between(page, "<caption><span>Accuracy, %", "</table>");
  const std::string row = between(table, ">near one</th>", "</tr>");
  EXPECT_THAT(row, HasSubstr("<td class=\"best\"><b>75.0<span class=\"hidden\"> (best)"));
  EXPECT_THAT(row, HasSubstr("<td>50.0<small>"));
  EXPECT_EQ(count(row, "class=\"best\""), 1u);
}

TEST(ReportHtml, EscapesTextsOfOthersEverywhere) {
  const std::string page = report_html(report(), kHostile);
  EXPECT_THAT(page, HasSubstr("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; "
                              "&quot;{{style}}&quot; &lt;!--"));
  EXPECT_THAT(page, Not(HasSubstr("<script>alert")));
  EXPECT_THAT(page, Not(HasSubstr("<!--")));
  EXPECT_THAT(page, HasSubstr("tiny &amp; small"));
  EXPECT_EQ(count(page, "<script"), 3u);
  EXPECT_EQ(count(page, "</script>"), 3u);
  EXPECT_EQ(count(page, ":root {\n  color-scheme"), 1u) << "a place in a name was filled";
}

TEST(ReportHtml, CannotBreakOutOfTheScriptsData) {
  Json changed = Json::parse(report());
  for (Json& line : changed["tables"][0]["methods"]) line["method"] = "</script><b>";
  const std::string data =
      between(report_html(changed.dump(), "r"), "id=\"plot-data\">", "</script>");
  EXPECT_THAT(data, HasSubstr("\\u003c/script>\\u003cb>"));
  const Json parsed = Json::parse(data.substr(data.find('{')));
  EXPECT_EQ(parsed["tables"][0]["lines"][0]["method"], "</script><b>");
  EXPECT_EQ(parsed["k"], 32);
}

TEST(ReportHtml, ClosesWhatItOpens) {
  const std::string page = without_scripts(report_html(report(), "r.json"));
  const std::set<std::string> alone{"!doctype", "meta", "input"};
  std::vector<std::string> open;
  for (const std::string& tag : all_between(page, "<", '>')) {
    const bool closes = tag.starts_with('/');
    const std::string name = tag.substr(closes ? 1 : 0, tag.find(' ') - (closes ? 1 : 0));
    if (alone.contains(name)) continue;
    if (!closes) {
      open.push_back(name);
      continue;
    }
    ASSERT_FALSE(open.empty()) << name;
    ASSERT_EQ(open.back(), name);
    open.pop_back();
  }
  EXPECT_TRUE(open.empty());
}

TEST(ReportHtml, NeedsNothingButItself) {
  const std::string page = report_html(report(), "r.json");
  EXPECT_THAT(page, HasSubstr("default-src 'none'"));
  EXPECT_THAT(page, HasSubstr("Chart.js v3"));
  const std::string visible = without_scripts(page);
  EXPECT_EQ(count(visible, "href=\""), count(visible, "href=\"#"));
  for (const char* other : {" src=", "@import", "url(", "<link", "<img", "<iframe"}) {
    EXPECT_THAT(visible, Not(HasSubstr(other)));
  }
  for (const std::string& target : all_between(visible, "href=\"#", '"')) {
    EXPECT_THAT(visible, HasSubstr("id=\"" + target + "\""));
  }
}

TEST(ReportHtml, ShowsAReportWithoutResults) {
  Fixture empty = make_fixture();
  empty.run.tasks.clear();
  empty.run.results.clear();
  EXPECT_THAT(report_html(empty.json(), "r"), HasSubstr("pool-1"));
  EXPECT_THAT(report_text(empty.json(), "r"), HasSubstr("0 tasks"));
}

}  // namespace
}  // namespace crayon
