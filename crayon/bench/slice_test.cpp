// A run in parts: slices of time, and results taken over from an earlier report.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "crayon/bench/internal/bench_world_test.h"
#include "crayon/bench/internal/made_report_test.h"
#include "crayon/bench/report.h"
#include "tests/corrupt/support.h"

namespace crayon {
namespace {

using test::expect_error;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

/// Two tasks, two seeds and these: 24 cells.
const std::vector<std::string> kMethods = {"base",  "few-shot",  "crayon",
                                           "probe", "customize", "embedding-knn"};
constexpr std::size_t kCells = 24;

class Slices : public ::testing::Test {
 protected:
  /// A clock on which each cell takes a minute; the slice ends after `cells` of them.
  RunOptions slice(std::size_t cells) {
    RunOptions options{.machine = "first"};
    options.slice = std::chrono::minutes(cells);
    options.now = [this] {
      return std::chrono::steady_clock::time_point(std::chrono::minutes(minutes_));
    };
    return options;
  }
  BenchRun run_slice(const BenchPlan& plan, const std::string& work, std::size_t cells) {
    minutes_ = 1000;
    return world_.run(plan, work, {}, pass_minute(), slice(cells));
  }
  OnCell pass_minute() {
    return [this](std::size_t, std::size_t, const std::string&) { ++minutes_; };
  }
  /// Goes on from reports on a store of its own.
  BenchRun go_on(const BenchPlan& plan, const std::string& work,
                 const std::vector<std::string>& reports, const BenchTools& tools = {}) {
    RunOptions options{.machine = "second"};
    for (const std::string& name : reports) {
      options.earlier.push_back(read_results(world_.path(name)));
    }
    counts_.clear();
    options.on_taken_over = [this](const TakenOver& counts) { counts_.push_back(counts); };
    worked_.clear();
    return world_.run(
        plan, work, tools,
        [this](std::size_t, std::size_t, const std::string& what) {
          if (!what.empty()) worked_.push_back(what);
        },
        options);
  }
  static std::string json(const BenchRun& run, const BenchPlan& plan) {
    BenchSettings settings;
    settings.version = "test";
    return report_json(run, plan, settings);
  }
  std::string write(const BenchRun& run, const BenchPlan& plan, const std::string& name) {
    write_report(world_.path(name), json(run, plan));
    return name;
  }
  static std::string timeless(const std::string& json) {
    auto report = nlohmann::ordered_json::parse(json);
    report.erase("times");
    return report.dump();
  }

  BenchWorld world_;
  std::size_t minutes_ = 0;
  std::vector<TakenOver> counts_;
  std::vector<std::string> worked_;
};

TEST_F(Slices, ASliceEndsBetweenCellsAndTheNextOneGoesOn) {
  const BenchPlan plan = world_.plan(kMethods);
  const std::string whole = json(world_.run(plan, "whole"), plan);
  BenchRun run = run_slice(plan, "work", 7);
  EXPECT_THAT(run.results, SizeIs(7));
  EXPECT_EQ(run.planned, kCells);
  EXPECT_EQ(run.results[5].task, run.results[0].task);
  EXPECT_NE(run.results[6].task, run.results[0].task) << "a task's methods come first";
  EXPECT_EQ(run.results[6].seed, 1u) << "the second seed comes last";
  EXPECT_THAT(run_slice(plan, "work", 0).results, SizeIs(7)) << "nothing new";
  EXPECT_THAT(run_slice(plan, "work", 10).results, SizeIs(17));
  run = run_slice(plan, "work", 10);
  EXPECT_THAT(run.results, SizeIs(kCells));
  EXPECT_EQ(timeless(json(run, plan)), timeless(whole));
}

TEST_F(Slices, GoingOnFromAReportWithAnEmptyStoreGivesWhatOneRunGives) {
  const BenchPlan plan = world_.plan(kMethods);
  const std::string whole = json(world_.run(plan, "whole"), plan);
  for (const std::size_t cut : {0U, 1U, 9U, 23U, 24U}) {
    const std::string n = std::to_string(cut);
    const BenchRun part = run_slice(plan, "first" + n, cut);
    const std::string file = write(part, plan, n + ".json.gz");
    const BenchRun run = go_on(plan, "second" + n, {file});
    EXPECT_THAT(worked_, SizeIs(kCells - cut));
    EXPECT_EQ(timeless(json(run, plan)), timeless(whole)) << cut;
    ASSERT_THAT(run.results, SizeIs(kCells));
    for (std::size_t i = 0; i < kCells; ++i) {
      EXPECT_EQ(run.results[i].machine, i < cut ? "first" : "second");
      if (i >= cut) continue;
      EXPECT_NEAR(run.results[i].cost.answer_seconds, part.results[i].cost.answer_seconds, 6e-5);
    }
    EXPECT_EQ(counts_.front().taken, cut);
    EXPECT_EQ(counts_.front().others + counts_.front().again, 0u);
  }
}

TEST_F(Slices, AReportNamesTheMachineOfEachResult) {
  const BenchPlan plan = world_.plan({"base", "crayon"});
  const std::string file = write(run_slice(plan, "a", 3), plan, "a.json");
  const auto times = nlohmann::json::parse(json(go_on(plan, "b", {file}), plan)).at("times");
  EXPECT_THAT(times.at("machines"), ElementsAre("first", "second"));
  std::vector<int> machines;
  for (const auto& one : times.at("results")) machines.push_back(one.at("machine").get<int>());
  EXPECT_THAT(machines, ElementsAre(0, 0, 0, 1, 1, 1, 1, 1));
}

TEST_F(Slices, ResultsComeFromSeveralReportsAndTheFirstOneWins) {
  const BenchPlan base = world_.plan({"base"});
  const BenchPlan both = world_.plan({"base", "crayon"});
  const std::string a = write(world_.run(base, "a", {}, {}, {.machine = "a"}), base, "a.json");
  const std::string b = write(world_.run(both, "b", {}, {}, {.machine = "b"}), both, "b.json");
  const BenchRun run = go_on(both, "c", {a, b});
  EXPECT_THAT(worked_, IsEmpty());
  for (const BenchResult& result : run.results) {
    EXPECT_EQ(result.machine, result.method == "base" ? "a" : "b");
  }
  EXPECT_EQ(counts_[0].taken, 4u);
  EXPECT_EQ(counts_[1].taken, 4u);
  EXPECT_EQ(counts_[1].again, 4u);
}

TEST_F(Slices, ResultsOfOtherWorkAreNotTakenOver) {
  const BenchPlan plan = world_.plan({"base", "crayon"});
  const std::string file = write(world_.run(plan, "a"), plan, "a.json");
  const BenchPlan other_k = world_.plan({"base"}, {3}, {1});
  (void)go_on(other_k, "b", {file});
  EXPECT_THAT(worked_, SizeIs(2));
  EXPECT_EQ(counts_.front().taken, 0u);
  EXPECT_EQ(counts_.front().others, 8u);
  EXPECT_THAT(counts_.front().methods, ElementsAre("base", "crayon"));

  BenchPlan summed = plan;
  summed.scoring = Scoring::Sum;
  (void)go_on(summed, "c", {file});
  EXPECT_EQ(counts_.front().taken, 0u);

  std::string rows = read_text(world_.path("far.jsonl"));
  world_.write("far.jsonl", rows.replace(rows.find("far 11"), 6, "far 21"));
  (void)go_on(plan, "d", {file});
  EXPECT_EQ(counts_.front().taken, 4u) << "only one task has changed";
}

/// Not only the multitask pool itself: that would undo other machines' work for all methods.
TEST_F(Slices, AnotherMultitaskPoolConcernsTheMethodMultitaskAlone) {
  write_random_pool(world_.path("model.gguf"), world_.path("m1"), 1);
  write_random_pool(world_.path("model.gguf"), world_.path("m2"), 2);
  Pool first = Pool::open(world_.path("m1"));
  Pool second = Pool::open(world_.path("m2"));
  const BenchPlan plan = world_.plan({"base", "multitask"});
  const BenchRun run = world_.run(plan, "a", {.multitask = &first, .remote = {}, .train = {}});
  const std::string file = write(run, plan, "a.json");
  (void)go_on(plan, "b", {file}, {.multitask = &first, .remote = {}, .train = {}});
  EXPECT_THAT(worked_, IsEmpty());
  (void)go_on(plan, "c", {file}, {.multitask = &second, .remote = {}, .train = {}});
  EXPECT_THAT(worked_, SizeIs(4));
  EXPECT_THAT(counts_.front().methods, ElementsAre("multitask"));
}

TEST_F(Slices, ResultsOfTheMultitaskPoolAreKnownByItsIdWhereItIsNotThere) {
  write_random_pool(world_.path("model.gguf"), world_.path("m1"), 1);
  Pool pool = Pool::open(world_.path("m1"));
  const BenchPlan plan = world_.plan({"base", "multitask"});
  const BenchRun run = world_.run(plan, "a", {.multitask = &pool, .remote = {}, .train = {}});
  const std::string file = write(run, plan, "a.json");
  for (const bool same : {true, false}) {
    RunOptions options{.multitask = same ? pool.manifest().id : "other-1"};
    options.earlier.push_back(read_results(world_.path(file)));
    const BenchRun later = world_.run(plan, same ? "b" : "c", {}, {}, options);
    EXPECT_EQ(timeless(json(later, plan)) == timeless(json(run, plan)), same);
    EXPECT_THAT(later.results, SizeIs(same ? 8 : 4));
    EXPECT_THAT(later.missing, SizeIs(same ? 0 : 1));
  }
}

TEST_F(Slices, AMethodThatCannotRunHereKeepsItsEarlierResults) {
  const Adapter lora = random_model_adapter({}, 1, 2, 77);
  const BenchTools tools{.multitask = nullptr, .remote = nullptr, .train = [&](const LoraRequest&) {
                           return TrainedLora{lora, 12.5};
                         }};
  const BenchPlan plan = world_.plan({"base", "lora-k"});
  const BenchRun whole = world_.run(plan, "a", tools);
  const std::string all = write(whole, plan, "all.json");
  BenchRun run = go_on(plan, "b", {all});
  EXPECT_THAT(run.missing, IsEmpty());
  EXPECT_EQ(timeless(json(run, plan)), timeless(json(whole, plan)));

  const BenchPlan one_seed = world_.plan({"base", "lora-k"}, {4}, {1});
  const std::string some = write(world_.run(one_seed, "a", tools), one_seed, "some.json");
  run = go_on(plan, "c", {some});
  EXPECT_THAT(run.missing, IsEmpty());
  ASSERT_THAT(run.abandoned, SizeIs(1));
  EXPECT_EQ(run.abandoned.front().method, "lora-k");
  EXPECT_EQ(run.planned, 8u);
  EXPECT_THAT(run.results, SizeIs(6)) << "lora-k for the first seed only";
}

TEST_F(Slices, PartialReportsSaySoAndShowWhatIsThere) {
  const BenchPlan plan = world_.plan(kMethods);
  const std::string none = json(run_slice(plan, "work", 0), plan);
  EXPECT_THAT(report_text(none, "r"),
              AllOf(HasSubstr("PARTIAL: 0 of 24 planned results so far\n"), HasSubstr("No table")));
  EXPECT_THAT(report_html(none, "r"),
              AllOf(HasSubstr("<b>Partial:</b> 0 of 24 planned results"),
                    HasSubstr("No method has results for every task of a group.")));

  // All of the task "far", two methods on "near".
  const std::string some = json(run_slice(plan, "work", 8), plan);
  const auto parsed = nlohmann::json::parse(some);
  EXPECT_EQ(parsed["cells"], nlohmann::json({{"planned", 24}, {"done", 8}}));
  std::vector<std::string> held_out;
  for (const auto& table : parsed["tables"]) {
    if (table["group"] != "held-out" || table["label_calibration"]) continue;
    for (const auto& line : table["methods"]) held_out.push_back(line["method"]);
  }
  EXPECT_THAT(held_out, ElementsAre("base", "few-shot"));
  const std::string text = report_text(some, "r");
  EXPECT_THAT(text, AllOf(HasSubstr("PARTIAL: 8 of 24 planned results so far\n"),
                          HasSubstr("\nMachine: first\n"), HasSubstr("Held-out tasks (2)")));
  const std::string page = report_html(some, "r");
  EXPECT_THAT(page, AllOf(HasSubstr("<b>Partial:</b> 8 of 24 planned results"),
                          HasSubstr("<dt>Machine</dt><dd>first</dd>"),
                          HasSubstr("for want of results on some of its tasks: crayon, probe")));

  const std::string all = json(run_slice(plan, "work", kCells), plan);
  EXPECT_THAT(report_text(all, "r"), Not(HasSubstr("PARTIAL")));
  EXPECT_THAT(report_html(all, "r"), Not(HasSubstr("Partial")));
}

TEST_F(Slices, ATakenResultIsThatOfTheRun) {
  const BenchPlan plan = world_.plan(kMethods, {4}, {1});
  const BenchRun run = world_.run(plan, "a");
  const EarlierResults read = read_results(world_.path(write(run, plan, "a.json.gz")));
  ASSERT_THAT(read.results, SizeIs(run.results.size()));
  for (std::size_t i = 0; i < run.results.size(); ++i) {
    EXPECT_EQ(read.results[i].key, run.results[i].key);
    EXPECT_EQ(read.results[i].scores, run.results[i].scores);
    EXPECT_EQ(read.results[i].calibrated, run.results[i].calibrated);
    EXPECT_EQ(read.results[i].calibrates, run.results[i].calibrates);
    EXPECT_EQ(read.results[i].weights, run.results[i].weights);
    EXPECT_EQ(read.results[i].cost.answer_tokens, run.results[i].cost.answer_tokens);
  }
}

TEST_F(Slices, AReportWithAWrongKeyIsRefusedAndTheKeyNamed) {
  const BenchPlan plan = world_.plan({"base", "crayon"}, {4}, {1});
  const auto good = nlohmann::json::parse(json(world_.run(plan, "a"), plan));
  const auto expect = [&](const char* path, const nlohmann::json& value, const std::string& name) {
    auto bad = good;
    bad[nlohmann::json::json_pointer(path)] = value;
    world_.write("bad.json", bad.dump());
    expect_error([&] { (void)read_results(world_.path("bad.json")); }, ErrorCode::CorruptFile,
                 "bad.json: '" + name + "' is missing or not what it should be");
  };
  expect("/results/1/key", std::string(63, 'a'), "results.1.key");
  expect("/results/1/key", std::string(64, 'A'), "results.1.key");
  expect("/results/0/scores/2/1", "x", "results.0.scores");
  expect("/results/0/scores/2", 1, "results.0.scores");
  expect("/results/0/scores/2/1", 1e300, "results.0.scores");
  expect("/results/0/scores_calibrated/0", nlohmann::json::array(), "results.0.scores_calibrated");
  expect("/results/0/scores_calibrated", nlohmann::json::array(), "results.0.scores_calibrated");
  expect("/results/0/label_calibration", false, "results.0.scores_calibrated");
  expect("/results/3/weights", nullptr, "results.3.weights");
  expect("/times/results/2/machine", 1, "times.results.2.machine");
  expect("/times/results", nlohmann::json::array(), "times.results");
}

TEST_F(Slices, AResultOfAnotherShapeIsFoundBeforeAnyWork) {
  const BenchPlan plan = world_.plan({"base"}, {4}, {1});
  auto bad = nlohmann::json::parse(json(world_.run(plan, "a"), plan));
  for (const char* scores : {"scores", "scores_calibrated"}) bad["results"][1][scores].erase(5);
  world_.write("bad.json", bad.dump());
  expect_error([&] { (void)go_on(plan, "b", {"bad.json"}); }, ErrorCode::CorruptFile,
               "bad.json: the scores of task 'near', method 'base' are not those of its 6 "
               "questions");
  EXPECT_THAT(worked_, IsEmpty());
}

TEST_F(Slices, AnyChangeOfAByteGivesResultsOrAnError) {
  const BenchPlan plan = world_.plan({"base", "crayon"}, {4}, {1});
  const std::string good = json(world_.run(plan, "a"), plan);
  const auto read = [&](const std::string& bytes) {
    world_.write("bad.json", bytes);
    (void)read_results(world_.path("bad.json"));
  };
  EXPECT_GT(refused_changes(good, read), 0u);
}

}  // namespace
}  // namespace crayon
