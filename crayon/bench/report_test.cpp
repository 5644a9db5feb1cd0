// Reports as JSON and as text.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>
#include <string>

#include "crayon/bench/internal/made_report_test.h"

namespace crayon {
namespace {

using Json = nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

const Json& table_of(const Json& report, std::size_t k, const std::string& group, bool calibrated) {
  for (const Json& table : report["tables"]) {
    if (table["k"] == k && table["group"] == group && table["label_calibration"] == calibrated) {
      return table;
    }
  }
  throw std::runtime_error("no table " + group);
}

const Json& line_of(const Json& table, const std::string& method) {
  for (const Json& line : table["methods"]) {
    if (line["method"] == method) return line;
  }
  throw std::runtime_error("no line " + method);
}

TEST(ReportJson, HoldsMeansDifferencesAndCountsThatAreKnownByHand) {
  const Json json = Json::parse(report());
  EXPECT_EQ(json["schema"], "crayon-bench-customize/1");
  const Json& crayon = line_of(table_of(json, 32, "held-out", false), "crayon");
  EXPECT_DOUBLE_EQ(crayon["accuracy"]["mean"], 0.75);  // (5 + 4) / 12
  EXPECT_EQ(crayon["seeds"], 2);
  EXPECT_EQ(crayon["against"][0]["against"], "base");
  EXPECT_DOUBLE_EQ(crayon["against"][0]["mean"], 0.25);
  EXPECT_DOUBLE_EQ(crayon["against"][1]["mean"], 0.4167);  // 0.75 - 2 / 6
  const Json& calibrated = line_of(table_of(json, 32, "held-out", true), "crayon");
  EXPECT_DOUBLE_EQ(calibrated["accuracy"]["mean"], 0.8333);  // one more right on one of two tasks
  EXPECT_EQ(table_of(json, 8, "all", false)["tasks"], 3);
  EXPECT_EQ(json["results"].size(), 36u);
  EXPECT_EQ(json["times"]["results"].size(), 36u);
  EXPECT_EQ(json["results"][0]["choices"], Json({0, 1, 0, 0, 1, 0}));
  EXPECT_EQ(json["tasks"][1]["answers"], Json({0, 1, 0, 1, 0, 1}));
  EXPECT_EQ(json["settings"]["missing_methods"][0]["method"], "server");
}

TEST(ReportJson, IsTheSameForTheSameInputsButForTimes) {
  Fixture other = make_fixture();
  EXPECT_EQ(report(), other.json());
  other.run.results[5].machine = "another machine";
  other.run.results[3].cost.customize_seconds = 99;
  Json slow = other.parsed();
  Json fast = Json::parse(report());
  EXPECT_NE(slow, fast);
  slow.erase("times");
  fast.erase("times");
  EXPECT_EQ(slow.dump(), fast.dump());
}

TEST(ReportJson, TakesACommandThatIsNoUtf8) {
  Fixture made = small_fixture();
  made.settings.command = "crayon \xff";
  EXPECT_THAT(made.json(), HasSubstr("crayon \xEF\xBF\xBD"));
}

TEST(ReportText, ShowsBothSwitchStatesOfEachKWithin100Columns) {
  const std::string text = report_text(report(), "r.json");
  for (const char* heading : {"Held-out tasks (2), K = 8, label calibration off",
                              "Held-out tasks (2), K = 8, label calibration on",
                              "Held-out tasks (2), K = 32, label calibration off",
                              "Held-out tasks (2), K = 32, label calibration on"}) {
    EXPECT_THAT(text, HasSubstr(heading));
  }
  const std::string off = "K = 32, label calibration off";
  EXPECT_THAT(line_after(text, off, "crayon"),
              AllOf(StartsWith("crayon 75.0 "), HasSubstr(" +25.0"), HasSubstr(" +41.7")));
  EXPECT_THAT(line_after(text, off, "uniform"),
              AllOf(StartsWith("uniform 33.3 "), HasSubstr(" -16.7")));
  EXPECT_THAT(line_after(text, "K = 32, label calibration on", "crayon"),
              StartsWith("crayon 83.3 "));
  EXPECT_EQ(line_after(text, "Costs, K = 32", "crayon"), "crayon 32 0 12 - 77 1.5 MB 450");
  EXPECT_THAT(line_after(text, "minus each of the others, K = 32, label calibration on", "uniform"),
              StartsWith("uniform +"));
  EXPECT_THAT(text, HasSubstr("Not run: server: no server <named>"));
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 100u) << line;
}

TEST(ReportText, ReadsReportsFromBeforeOursWereHeldToAll) {
  Json earlier = Json::parse(report());
  for (Json& table : earlier["tables"]) table.erase("ours");
  const std::string text = report_text(earlier.dump(), "r.json");
  EXPECT_THAT(text, AllOf(HasSubstr("K = 32, label calibration on"),
                          Not(HasSubstr("minus each of the others"))));
  EXPECT_THAT(report_html(earlier.dump(), "r.json"), Not(HasSubstr("minus each of the others")));
}

TEST(ReportText, ShowsTheFirstGroupWhereNoTaskIsHeldOut) {
  Fixture made = make_fixture();
  made.run.tasks.erase(made.run.tasks.begin(), made.run.tasks.begin() + 2);
  std::erase_if(made.run.results, [](const BenchResult& r) { return r.task != "own"; });
  EXPECT_THAT(report_text(made.json(), "r"), HasSubstr("The pool's own tasks (1), K = 8"));
}

TEST(ReportText, NamesEveryMachineWithItsResults) {
  Fixture made = small_fixture();
  EXPECT_THAT(report_text(small_report(), "r"), HasSubstr("\nMachine: a machine\n"));
  made.run.results[2].machine = "a <second>";
  EXPECT_THAT(report_text(made.json(), "r"),
              AllOf(HasSubstr("\nMachine: a machine (17 results)\n"),
                    HasSubstr("\nMachine: a <second> (1 result)\n"),
                    HasSubstr("Seconds were measured on several machines.")));
  EXPECT_THAT(report_html(made.json(), "r"),
              AllOf(HasSubstr("a machine (17 results); a &lt;second&gt; (1 result)"),
                    HasSubstr("measured on 2 machines")));
}

}  // namespace
}  // namespace crayon
