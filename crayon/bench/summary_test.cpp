#include "crayon/bench/summary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "crayon/bench/internal/bench_world_test.h"
#include "crayon/stats/paired.h"

namespace crayon {
namespace {

constexpr std::size_t kQuestions = 20;

/// A run of two tasks with right answers as `right(task, method, seed, question)` says.
class Made {
 public:
  Made() {
    for (const char* name : {"near", "far"}) {
      BenchTask task;
      task.name = name;
      task.kind = task.name == "near" ? TaskKind::Near : TaskKind::Far;
      for (std::size_t q = 0; q < kQuestions; ++q) {
        task.questions.push_back(make_row("q", "?", {"a", "b"}, 0));
      }
      run.tasks.push_back(std::move(task));
    }
  }

  /// The first n questions are answered rightly; label calibration makes `more` right.
  void add(const std::string& task, const std::string& method, std::uint64_t seed, std::size_t n,
           std::size_t more = 0) {
    BenchResult result;
    result.task = task;
    result.method = method;
    result.k = 8;
    result.seed = seed;
    for (std::size_t q = 0; q < kQuestions; ++q) {
      result.scores.push_back(q < n ? std::vector<float>{1, 0} : std::vector<float>{0, 1});
      result.calibrated.push_back(q < n + more ? std::vector<float>{1, 0}
                                               : std::vector<float>{0, 1});
    }
    run.results.push_back(std::move(result));
  }

  BenchRun run;
};

const SummaryTable& table(const BenchSummary& summary, const std::string& group, bool calibrated) {
  return *std::ranges::find_if(summary.tables, [&](const SummaryTable& one) {
    return one.group == group && one.label_calibration == calibrated;
  });
}

TEST(Summary, MeansDifferencesAndWinsAreThoseOfTheAnswers) {
  Made made;
  for (const char* task : {"near", "far"}) {
    for (const std::uint64_t seed : {1, 2}) {
      made.add(task, "base", seed, 4, 2);
      made.add(task, "crayon", seed, task == std::string("near") ? 18 : 4);
    }
  }
  const BenchSummary summary = summarise(made.run);

  const SummaryTable& off = table(summary, "held-out", false);
  ASSERT_EQ(off.lines.size(), 2u);
  EXPECT_DOUBLE_EQ(off.lines[0].accuracy.mean, 0.2);
  EXPECT_DOUBLE_EQ(off.lines[1].accuracy.mean, 0.55);
  EXPECT_TRUE(off.lines[0].against.empty());
  const Comparison& against = off.lines[1].against.at(0);
  EXPECT_EQ(against.against, "base");
  EXPECT_NEAR(against.difference.mean, 0.35, 1e-12);
  EXPECT_EQ(against.counts.wins, 1u);
  EXPECT_EQ(against.counts.ties, 1u);
  EXPECT_DOUBLE_EQ(table(summary, "held-out", true).lines[0].accuracy.mean, 0.3);
  EXPECT_DOUBLE_EQ(table(summary, "near", false).lines[1].accuracy.mean, 0.9);
  // Every score is (1, 0) or (0, 1): confidence .731, accuracy .2.
  EXPECT_NEAR(off.lines[0].calibration_error, 0.731 - 0.2, 1e-3);
}

TEST(Summary, OursAreHeldToEveryOtherMethodAndCorrectedForAsMany) {
  Made made;
  for (const char* task : {"near", "far"}) {
    for (const std::uint64_t seed : {1, 2}) {
      made.add(task, "base", seed, 4);
      made.add(task, "few-shot", seed, 8);
      made.add(task, "arrow", seed, 20);
      made.add(task, "crayon", seed, 12);
    }
  }
  made.add("near", "customize", 1, 4);
  const SummaryTable both = table(summarise(made.run), "held-out", false);

  ASSERT_EQ(both.ours.size(), 1u) << "customize lacks a task, crayon-refined both";
  EXPECT_EQ(both.ours[0].method, "crayon");
  std::vector<std::string> names;
  std::vector<double> p;
  for (const Comparison& one : both.ours[0].against) {
    names.push_back(one.against);
    p.push_back(one.difference.p_value);
  }
  EXPECT_THAT(names, testing::ElementsAre("base", "few-shot", "arrow"));
  EXPECT_NEAR(both.ours[0].against[0].difference.mean, 0.4, 1e-12);
  EXPECT_NEAR(both.ours[0].against[2].difference.mean, -0.4, 1e-12);
  EXPECT_EQ(both.ours[0].against[2].counts.losses, 2u);
  const auto corrected = holm(p);
  EXPECT_GT(corrected[0], p[0]);
  for (std::size_t i = 0; i < p.size(); ++i) {
    EXPECT_DOUBLE_EQ(both.ours[0].against[i].holm_p, corrected[i]);
  }
}

TEST(Summary, MethodsWithUnequalSeedsArePairedOnThoseThatBothHave) {
  Made made;
  for (const char* task : {"near", "far"}) {
    made.add(task, "base", 1, 4);
    made.add(task, "base", 2, 10);
    made.add(task, "base", 3, 16);
    made.add(task, "crayon", 3, 18);
    made.add(task, "crayon", 2, 12);
    made.add(task, "uniform", 7, 12);
  }
  const BenchSummary summary = summarise(made.run);
  const SummaryTable& off = table(summary, "all", false);
  const SummaryLine& crayon = off.lines[1];
  ASSERT_EQ(crayon.against.size(), 1u);  // uniform shares no seed with it
  EXPECT_EQ(crayon.against[0].against, "base");
  EXPECT_NEAR(crayon.against[0].difference.mean, 0.1, 1e-12);
  EXPECT_EQ(crayon.seeds, 2u);
}

TEST(Summary, AMethodThatLacksATaskIsLeftOutOfItsTables) {
  Made made;
  made.add("near", "base", 1, 4);
  made.add("far", "base", 1, 4);
  made.add("near", "crayon", 1, 4);
  const BenchSummary summary = summarise(made.run);
  EXPECT_EQ(table(summary, "held-out", false).lines.size(), 1u);
  EXPECT_EQ(table(summary, "near", false).lines.size(), 2u);
  EXPECT_EQ(summary.tasks.size(), 6u);
}

}  // namespace
}  // namespace crayon
