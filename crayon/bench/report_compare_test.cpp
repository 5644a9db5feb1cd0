// Two reports side by side.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "crayon/bench/internal/made_report_test.h"
#include "tests/corrupt/support.h"

namespace crayon {
namespace {

using test::expect_error;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

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

}  // namespace
}  // namespace crayon
