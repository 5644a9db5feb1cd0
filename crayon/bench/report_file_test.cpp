// Reports in files, whole and broken.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>

#include "crayon/bench/internal/made_report_test.h"
#include "tests/corrupt/support.h"

namespace crayon {
namespace {

using Json = nlohmann::json;
using test::expect_error;
using test::ScratchFolder;
using ::testing::StartsWith;

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
  EXPECT_GT(refused_changes(report(), [](const auto& bytes) { (void)report_text(bytes, "r"); }),
            0u);
}

}  // namespace
}  // namespace crayon
