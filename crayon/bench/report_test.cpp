#include "crayon/bench/report.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "tests/corrupt/support.h"

namespace crayon {
namespace {

using Json = nlohmann::json;
using test::expect_error;
using test::ScratchFolder;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr std::size_t kQuestions = 6;
constexpr const char* kHostile = "<script>alert('x')</script> & \"{{style}}\" <!--";

BenchTask make_task(const std::string& name, TaskKind kind) {
  BenchTask task;
  task.name = name;
  task.kind = kind;
  for (std::size_t i = 0; i < kQuestions; ++i) {
    BenchRow row;
    row.example.id = name + "/" + std::to_string(i);
    row.example.question = "question " + std::to_string(i) + " of " + name;
    row.example.choices = {"yes", "no"};
    row.example.answer = static_cast<int>(i % 2);
    task.questions.push_back(row);
  }
  return task;
}

/// Scores that get the first `right` questions right.
ScoreTable make_scores(const BenchTask& task, std::size_t right) {
  ScoreTable scores;
  for (std::size_t i = 0; i < task.questions.size(); ++i) {
    const bool first = (*task.questions[i].example.answer == 0) == (i < right);
    scores.push_back(first ? std::vector{-0.5F, -1.0F} : std::vector{-1.25F, -0.5F});
  }
  return scores;
}

/// How many questions a method gets right: base 3, uniform 2, crayon 5 and 4 by seed.
std::size_t right_answers(const std::string& method, std::uint64_t seed) {
  if (method == "base") return 3;
  return method == "uniform" ? 2 : 6 - seed;
}

BenchResult make_result(const BenchTask& task, const std::string& method, std::size_t k,
                        std::uint64_t seed) {
  BenchResult result;
  result.task = task.name;
  result.method = method;
  result.k = k;
  result.seed = seed;
  result.key = std::string(64, 'c');
  result.machine = "a machine";
  const std::size_t right = right_answers(method, seed);
  result.scores = make_scores(task, right);
  result.calibrates = task.kind == TaskKind::Near;
  result.calibrated = result.calibrates ? make_scores(task, right + 1) : result.scores;
  result.weights = method == "base" ? std::vector<float>{} : std::vector{0.25F, 0.75F};
  result.cost = {.customize_seconds = 12,
                 .answer_seconds = 2,
                 .answer_tokens = 900,
                 .prompt_tokens = kQuestions * 77,
                 .adapter_bytes = method == "base" ? 0U : 1'500'000U,
                 .texts = method == "crayon" ? k : 0};
  return result;
}

struct Fixture {
  BenchRun run;
  BenchPlan plan;
  BenchSettings settings;

  [[nodiscard]] std::string json() const { return report_json(run, plan, settings); }
  [[nodiscard]] Json parsed() const { return Json::parse(json()); }
};

/// 3 tasks, 3 methods.
Fixture make_fixture(std::vector<std::uint64_t> seeds = {1, 2},
                     const std::vector<std::size_t>& ks = {8, 32}) {
  Fixture made;
  made.run.tasks = {make_task("near one", TaskKind::Near), make_task(kHostile, TaskKind::Far),
                    make_task("own", TaskKind::Pool)};
  for (const BenchTask& task : made.run.tasks) {
    for (const std::size_t k : ks) {
      for (const char* method : {"base", "uniform", "crayon"}) {
        for (const auto seed : seeds) {
          made.run.results.push_back(make_result(task, method, k, seed));
        }
      }
    }
  }
  made.run.planned = made.run.results.size();
  made.run.missing = {{"server", "no server <named>"}};
  std::vector<const Method*> methods{&find_method("base"), &find_method("uniform"),
                                     &find_method("crayon"), &find_method("server")};
  made.plan.grids = {{methods, ks, std::move(seeds)}};
  made.settings.version = "1.2.3";
  made.settings.command = "crayon bench --pool p";
  made.settings.model.name = "tiny & small";
  made.settings.model.sha256 = std::string(64, 'a');
  made.settings.pool = "pool-1";
  made.settings.context_tokens = 512;
  made.settings.n_adapters = 2;
  return made;
}

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

/// The report of make_fixture(), made once: its bootstraps take a while.
const std::string& report() {
  static const std::string json = make_fixture().json();
  return json;
}

/// For comparisons, which repeat the bootstraps: one K.
Fixture small_fixture(std::vector<std::uint64_t> seeds = {1, 2}) {
  return make_fixture(std::move(seeds), {32});
}
const std::string& small_report() {
  static const std::string json = small_fixture().json();
  return json;
}

/// The text between two marks, the first of each.
std::string between(const std::string& text, const std::string& from, const std::string& to) {
  const auto begin = text.find(from);
  if (begin == std::string::npos) return "(no " + from + ")";
  return text.substr(begin, text.find(to, begin) - begin);
}

/// The first line after a mark that begins with a word, with single blanks; "" when there is none.
std::string line_after(const std::string& text, const std::string& mark, const std::string& word) {
  const auto start = text.find(mark);
  const auto begin = text.find("\n" + word + " ", start);
  if (start == std::string::npos || begin == std::string::npos) return "";
  std::string line = text.substr(begin + 1, text.find('\n', begin + 1) - begin - 1);
  const auto two_blanks = [](char a, char b) { return a == ' ' && b == ' '; };
  line.erase(std::unique(line.begin(), line.end(), two_blanks), line.end());
  return line;
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

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t n = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
  return n;
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
  EXPECT_EQ(line_after(text, "Costs, K = 32", "crayon"), "crayon 32 0 12 77 1.5 MB 450");
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

TEST(CompareText, SaysWhichReportIsPartial) {
  Fixture part = small_fixture();
  part.run.results.pop_back();
  const std::string text = compare_text({{"a", small_report()}, {"b", part.json()}});
  EXPECT_THAT(text, HasSubstr("\nB is partial: 17 of 18 planned results\n"));
  EXPECT_THAT(text, Not(HasSubstr("A is partial")));
}

TEST(CompareText, FindsNoDifferenceBetweenEqualReports) {
  const std::string& json = small_report();
  const std::string text = compare_text({{"a.json", json}, {"b.json", json}});
  EXPECT_THAT(text, HasSubstr("A  a.json\nB  b.json\nSettings: the same in both\n"));
  EXPECT_THAT(text, HasSubstr("Tasks with the same questions in both: 3 of 3 in A and 3 in B"));
  EXPECT_EQ(line_after(text, "method", "crayon"), "crayon 32 off 3 75.0 75.0 0.0 0.0..0.0 1.000");
  EXPECT_EQ(count(text, "\ncrayon "), 2u) << "two switch states";
}

TEST(CompareText, PairsAnswersByQuestion) {
  Fixture better = small_fixture();
  for (BenchResult& result : better.run.results) {
    const auto task = std::ranges::find(better.run.tasks, result.task, &BenchTask::name);
    if (result.method == "crayon") result.scores = make_scores(*task, kQuestions);
  }
  const std::string text =
      compare_text({{"a", small_report()}, {"b", better.json()}, {"c", better.json()}});
  EXPECT_THAT(line_after(text, "method", "crayon"), StartsWith("crayon 32 off 3 75.0 100.0 +25.0"));
  EXPECT_THAT(line_after(text, "method", "base"), StartsWith("base 32 off 3 50.0 50.0 0.0 "));
  EXPECT_THAT(text, HasSubstr("\nA  a\nB  c\n"));
}

TEST(CompareText, UsesTheSeedsThatBothHave) {
  const std::string text =
      compare_text({{"a", small_report()}, {"b", small_fixture({2, 3}).json()}});
  EXPECT_THAT(line_after(text, "method", "crayon"),
              StartsWith("crayon 32 off 3 66.7 66.7 0.0 "));  // 4 of 6
  EXPECT_THAT(compare_text({{"a", small_report()}, {"b", small_fixture({4}).json()}}),
              HasSubstr("No method was run in both with the same K and seed"));
}

TEST(CompareText, LeavesOutTasksWhoseQuestionsDifferAndSaysSo) {
  Fixture other = small_fixture();
  other.run.tasks[0].questions[2].example.question += " in other words";
  std::string text = compare_text({{"a", small_report()}, {"b", other.json()}});
  EXPECT_THAT(text,
              HasSubstr("2 of 3 in A and 3 in B\n  left out: near one: its questions differ"));
  EXPECT_THAT(line_after(text, "method", "crayon"), StartsWith("crayon 32 off 2 "));
  for (BenchTask& task : other.run.tasks) task.questions[0].example.question += "!";
  text = compare_text({{"a", small_report()}, {"b", other.json()}});
  EXPECT_THAT(text, HasSubstr("The questions differ: no task can be compared."));
  EXPECT_THAT(text, Not(HasSubstr("crayon ")));
}

TEST(CompareText, NamesSettingsTasksAndExamplesThatDiffer) {
  Fixture other = small_fixture();
  other.plan.scoring = Scoring::Sum;
  other.settings.context_tokens = 1024;
  other.plan.exact = true;
  other.run.tasks[0].name = "renamed";
  for (BenchResult& result : other.run.results) {
    if (result.task == "near one") result.task = "renamed";
  }
  other.run.tasks[2].examples = other.run.tasks[2].questions;
  const std::string text = compare_text({{"a", small_report()}, {"b", other.json()}});
  EXPECT_THAT(text, AllOf(HasSubstr("  score of a choice\n    A  mean\n    B  sum\n"),
                          HasSubstr("  context tokens\n    A  512\n    B  1024\n"),
                          HasSubstr("  exact\n    A  no\n    B  yes\n"),
                          HasSubstr("left out: near one: in A only"),
                          HasSubstr("left out: renamed: in B only"),
                          HasSubstr("own: the same questions, but other examples")));
  EXPECT_THAT(text, Not(HasSubstr("pool\n    A")));
}

TEST(CompareText, WantsTwoReports) {
  expect_error(
      [] {
        (void)compare_text({{"a", small_report()}});
      },
      ErrorCode::InvalidArgument, "1 report to compare, expected two or more");
}

TEST(ReportFile, ComesBackAsWrittenPlainAndAsGzip) {
  const ScratchFolder folder;
  const std::string& json = report();
  write_report(folder.path() / "r.json", json);
  write_report(folder.path() / "r.json.gz", json);
  EXPECT_EQ(read_text(folder.path() / "r.json"), json);
  EXPECT_THAT(read_text(folder.path() / "r.json.gz"), StartsWith("\x1f\x8b"));
  EXPECT_LT(read_text(folder.path() / "r.json.gz").size(), json.size() / 4);
  EXPECT_EQ(read_report(folder.path() / "r.json"), json);
  EXPECT_EQ(read_report(folder.path() / "r.json.gz"), json);
  write_report(folder.path() / "again.json.gz", json);
  EXPECT_EQ(read_text(folder.path() / "again.json.gz"), read_text(folder.path() / "r.json.gz"));
}

TEST(ReportFile, RefusesBrokenGzip) {
  const ScratchFolder folder;
  write_report(folder.path() / "r.gz", report());
  const std::string whole = read_text(folder.path() / "r.gz");
  const auto expect = [&](const std::string& bytes, const std::string& part) {
    write_atomically(folder.path() / "bad.gz", std::string_view(bytes));
    expect_error([&] { (void)read_report(folder.path() / "bad.gz"); }, ErrorCode::CorruptFile,
                 part);
  };
  expect(whole.substr(0, whole.size() / 2), "bad.gz: the gzip data is cut short");
  expect(whole.substr(0, whole.size() - 1), "cut short");
  expect(whole.substr(0, 5), "cut short");
  expect(whole + "rest", "broken");
  std::string flipped = whole;
  flipped[flipped.size() / 2] = static_cast<char>(flipped[flipped.size() / 2] ^ 0x10);
  expect(flipped, "bad.gz: the gzip data is broken");
  expect_error([&] { (void)read_report(folder.path() / "none.json"); }, ErrorCode::NotFound,
               "none.json");
}

TEST(ReportFile, RefusesWhatIsNoReport) {
  const ScratchFolder folder;
  const auto expect = [&](const std::string& text, ErrorCode code, const std::string& part) {
    write_atomically(folder.path() / "bad.json", std::string_view(text));
    for (const std::string& message : {"bad.json: " + part, std::string("schema")}) {
      expect_error([&] { (void)read_report(folder.path() / "bad.json"); }, code, message);
      expect_error([&] { (void)report_html(text, "bad.json"); }, code, message);
      expect_error([&] { (void)report_text(text, "bad.json"); }, code, message);
    }
  };
  expect("", ErrorCode::CorruptFile, "is not JSON");
  expect("{\"schema\": ", ErrorCode::CorruptFile, "is not JSON");
  expect("[1, 2]", ErrorCode::CorruptFile, "holds no JSON object");
  expect("{\"a\": {\"schema\": \"crayon-bench-customize/1\"}}", ErrorCode::CorruptFile,
         "has no schema");
  expect("{\"schema\": 1}", ErrorCode::CorruptFile, "has no schema");
  expect("{\"schema\": \"other/1\"}", ErrorCode::CorruptFile, "has the schema 'other/1'");
  expect("{\"schema\": \"crayon-bench-customize/2\"}", ErrorCode::Unsupported,
         "has the schema 'crayon-bench-customize/2', expected 'crayon-bench-customize/1'; read it "
         "with the version of Crayon that wrote it");
}

TEST(ReportFile, RefusesAKeyThatIsMissingOrOfAnotherKindAndNamesIt) {
  const Json good = Json::parse(report());
  for (const char* path :
       {"/settings", "/settings/model/name", "/settings/grids/0/k",
        "/settings/prompt/choice_prefix", "/settings/missing_methods/0/why", "/methods/1/sees",
        "/tables/0/group", "/tables/0/methods/0/accuracy/mean",
        "/tables/0/methods/1/against/0/holm_p", "/task_lines/3/standard_error", "/tasks/0/answers",
        "/tasks/2/kind", "/results/5/choices", "/results/0/task", "/results/35/prompt_tokens",
        "/times/results", "/times/machines", "/times/results/3/machine", "/cells/planned"}) {
    const Json::json_pointer at(path);
    std::string shown = std::string(path).substr(1);
    std::ranges::replace(shown, '/', '.');
    Json missing = good;
    missing[at.parent_pointer()].erase(at.back());
    const std::string message = "r.json: '" + shown + "' is missing or not what it should be";
    expect_error([&] { (void)report_text(missing.dump(), "r.json"); }, ErrorCode::CorruptFile,
                 message);
    Json wrong = good;
    wrong[at] = Json::array({nullptr, -1});
    expect_error([&] { (void)report_text(wrong.dump(), "r.json"); }, ErrorCode::CorruptFile,
                 "r.json: '" + shown);
  }
}

TEST(ReportFile, AnyChangeOfAByteGivesAReportOrAnError) {
  const std::string& good = report();
  Rng rng(1);
  std::size_t refused = 0;
  for (int i = 0; i < 300; ++i) {
    std::string bytes = good;
    bytes[rng.below(bytes.size())] = static_cast<char>("0\"{}[],:x-9\x80"[rng.below(12)]);
    try {
      (void)report_text(bytes, "r");
    } catch (const Error& error) {
      EXPECT_TRUE(error.code() == ErrorCode::CorruptFile || error.code() == ErrorCode::Unsupported)
          << error.what();
      ++refused;
    }
  }
  EXPECT_GT(refused, 0u);
}

}  // namespace
}  // namespace crayon
