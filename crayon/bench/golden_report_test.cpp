// tests/golden/bench.json holds what tools/readme_numbers.py reads of a report of made-up answers;
// here it is compared with what a report holds now.
#include <gtest/gtest.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "crayon/base/files.h"
#include "crayon/base/random.h"
#include "crayon/bench/internal/bench_world_test.h"
#include "crayon/bench/report.h"

namespace crayon {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kQuestions = 30;
constexpr const char* kGolden = CRAYON_SOURCE_DIR "/tests/golden/bench.json";

BenchTask make_task(const std::string& name, TaskKind kind) {
  BenchTask task;
  task.name = name;
  task.kind = kind;
  for (std::size_t q = 0; q < kQuestions; ++q) {
    task.questions.push_back(make_row(name + std::to_string(q), "?", {"a", "b"}, 0));
  }
  return task;
}

/// How many of ten answers are right, without and with label calibration.
struct Right {
  const char* method;
  std::size_t off, on;
};

BenchResult make_result(const BenchTask& task, const Right& right, std::size_t k,
                        std::uint64_t seed) {
  BenchResult result;
  result.task = task.name;
  result.method = right.method;
  result.k = k;
  result.seed = seed;
  result.machine = "a machine, 2 threads";
  Rng rng(seed, task.name + right.method + std::to_string(k));
  const auto scores = [](bool is_right) {
    return std::vector<float>{is_right ? 1.0f : 0.0f, 0.5f};
  };
  for (std::size_t q = 0; q < kQuestions; ++q) {
    const std::size_t ease = rng.below(10);
    result.scores.push_back(scores(ease < right.off));
    result.calibrated.push_back(scores(ease < right.on));
  }
  return result;
}

/// Not finished: arrow has no task of the pool's, uniform one seed of two, server could not run.
BenchRun make_run() {
  BenchRun run;
  run.tasks = {make_task("near one", TaskKind::Near), make_task("near two", TaskKind::Near),
               make_task("far", TaskKind::Far), make_task("own", TaskKind::Pool)};
  for (const BenchTask& task : run.tasks) {
    for (const Right& right : {Right{"base", 3, 5}, Right{"crayon", 7, 8}}) {
      run.results.push_back(make_result(task, right, 8, 1));
    }
    for (const Right& right : {Right{"base", 3, 5}, Right{"uniform", 6, 7}, Right{"arrow", 5, 5},
                               Right{"crayon", 7, 8}, Right{"multitask", 7, 8}}) {
      const std::string name = right.method;
      if (name == "arrow" && task.kind == TaskKind::Pool) continue;
      run.results.push_back(make_result(task, right, 32, 1));
      if (name != "uniform") run.results.push_back(make_result(task, right, 32, 2));
    }
  }
  run.planned = run.results.size();
  run.missing = {{"server", "no server was named"}};
  return run;
}

Json report_now() {
  BenchPlan plan;
  for (const char* name : {"base", "uniform", "arrow", "crayon", "multitask", "server"}) {
    if (plan.grids.empty()) plan.grids.push_back({{}, {32}, {1, 2}});
    plan.grids.front().methods.push_back(&find_method(name));
  }
  plan.grids.push_back({{&find_method("base"), &find_method("crayon")}, {8}, {1}});
  plan.questions = kQuestions;
  BenchSettings settings{.version = "0.1.0",
                         .command = "crayon bench customize --pool tiny",
                         .model = {},
                         .pool = "tiny-1",
                         .multitask = "multi-1",
                         .server = {},
                         .context_tokens = 2048,
                         .format = {},
                         .n_adapters = 3};
  settings.model.name = "tiny";
  Json report = Json::parse(report_json(make_run(), plan, settings));
  for (const char* key : {"results", "tasks"}) report.erase(key);
  report["times"].erase("results");
  for (Json& method : report["methods"]) {  // reworded and counted up for reasons of their own
    method.erase("summary");
    method.erase("version");
  }
  return report;
}

TEST(GoldenReport, HoldsWhatAReportHoldsNow) {
  Json now = report_now();
  if (std::getenv("CRAYON_WRITE_GOLDEN") != nullptr) write_atomically(kGolden, now.dump(1) + "\n");
  const Json golden = Json::parse(read_text(kGolden));
  for (const char* key : {"settings", "methods", "tables"}) {
    EXPECT_EQ(golden.at(key), now.at(key))
        << key << ": if this is meant, CRAYON_WRITE_GOLDEN=1 bench_test --gtest_filter='Golden*' "
        << "writes " << kGolden << "; then look whether tools/readme_numbers.py still reads it";
  }
  EXPECT_TRUE(now["times"].contains("command"));
  EXPECT_TRUE(now["times"].contains("machine") || now["times"].contains("machines"));
}

}  // namespace
}  // namespace crayon
