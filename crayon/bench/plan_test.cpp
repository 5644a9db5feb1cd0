// Plans and task lists: the project's own, and those that docs/bench-plans.md shows.
#include "crayon/bench/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "crayon/base/files.h"
#include "crayon/bench/route/plan.h"
#include "crayon/bench/run.h"
#include "crayon/testing/random.h"

namespace crayon {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::SizeIs;

const fs::path kTree = CRAYON_SOURCE_DIR;

void expect_files(const std::vector<TaskEntry>& tasks) {
  EXPECT_FALSE(tasks.empty());
  for (const TaskEntry& task : tasks) {
    for (const fs::path& file :
         {task.examples, task.questions, task.training, task.data, task.yaml}) {
      EXPECT_TRUE(file.empty() || file_kind(file) == FileKind::File) << task.name << " " << file;
    }
  }
}

std::set<std::string> names_of(const BenchGrid& grid) {
  std::set<std::string> names;
  for (const Method* method : grid.methods) names.insert(method->name);
  return names;
}

TEST(OwnPlans, CanBeReadAndNameFilesThatAreThere) {
  for (const char* name : {"full.toml", "quick.toml", "dev.toml", "own.toml", "cost.toml"}) {
    SCOPED_TRACE(name);
    const BenchPlan plan = read_plan(kTree / "benchmarks" / name);
    expect_files(plan.tasks);
    EXPECT_FALSE(cells_of(plan).empty());
    EXPECT_EQ(number_type_name(plan.number_type), "bf16");
  }
}

TEST(OwnPlans, TaskListsNameFilesThatAreThere) {
  expect_files(read_task_list(kTree / "benchmarks/tasks.toml"));
  expect_files(read_task_list(kTree / "benchmarks/lm_eval/tasks/tasks.toml"));
}

TEST(OwnPlans, OfRoutingCanBeReadAndNameFilesThatAreThere) {
  std::size_t plans = 0;
  for (const auto& entry : fs::directory_iterator(kTree / "benchmarks")) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with("route") || entry.path().extension() != ".toml") continue;
    SCOPED_TRACE(name);
    const RoutePlan plan = read_route_plan(entry.path());
    check_route_plan(plan);
    expect_files(plan.tasks);
    EXPECT_FALSE(plan.servers.empty());
    ++plans;
  }
  EXPECT_GE(plans, 3u);
}

/// A fair look at costs leaves nothing out but the one that trains for hours.
TEST(OwnPlans, CostsAreMeasuredOfAllMethodsButOne) {
  const BenchPlan plan = read_plan(kTree / "benchmarks/cost.toml");
  EXPECT_THAT(plan.tasks, SizeIs(2));
  for (const TaskEntry& task : plan.tasks) EXPECT_NE(task.kind, TaskKind::Pool) << task.name;
  ASSERT_THAT(plan.grids, SizeIs(1));
  std::set<std::string> all = names_of({{all_methods().begin(), all_methods().end()}, {}, {}});
  all.erase("lora-full");
  EXPECT_EQ(names_of(plan.grids.front()), all);
}

/// The plan to choose by must not have seen a question of the report.
TEST(OwnPlans, NoTaskToChooseByIsInTheReport) {
  std::set<std::string> reported;
  for (const TaskEntry& task : read_plan(kTree / "benchmarks/full.toml").tasks) {
    reported.insert(task.name);
  }
  for (const TaskEntry& task : read_plan(kTree / "benchmarks/dev.toml").tasks) {
    EXPECT_FALSE(reported.contains(task.name)) << task.name;
  }
  for (const TaskEntry& task : read_plan(kTree / "benchmarks/own.toml").tasks) {
    EXPECT_EQ(task.data.filename(), "validation.jsonl.gz") << task.name;
    EXPECT_TRUE(task.questions.empty()) << task.name;
  }
}

/// Writes every file that the page shows: "`NAME`:", an empty line and a block.
std::size_t write_shown(const std::string& page, const fs::path& folder) {
  std::size_t files = 0;
  for (auto at = page.find("`:\n\n```"); at != std::string::npos;
       at = page.find("`:\n\n```", at + 1)) {
    const auto name = page.rfind('`', at - 1) + 1;
    const auto begin = page.find('\n', at + 7) + 1;
    const auto end = page.find("```", begin);
    write_atomically(folder / page.substr(name, at - name),
                     std::string_view(page).substr(begin, end - begin));
    ++files;
  }
  return files;
}

TEST(ShownPlans, WorkAsThePageSays) {
  const TemporaryFolder folder;
  const std::string page = read_text(kTree / "docs/bench-plans.md");
  ASSERT_EQ(write_shown(page, folder.path()), 5u);
  const BenchPlan plan = read_plan(folder.path() / "plan.toml");
  EXPECT_THAT(names_of(plan.grids.front()), ElementsAre("base", "crayon", "customize", "uniform"));
  const std::vector<BenchTask> tasks = load_tasks(plan);
  ASSERT_THAT(tasks, SizeIs(2));
  EXPECT_EQ(tasks[0].name, "colours");
  EXPECT_EQ(tasks[0].questions[0].text,
            "Answer with one word.\n\nQuestion: What colour is the sky?\nAnswer:");
  EXPECT_THAT(tasks[0].examples, SizeIs(3));
  EXPECT_EQ(tasks[1].name, "refunds");
  EXPECT_EQ(tasks[1].questions[0].example.context, "Where is my parcel?");
  EXPECT_EQ(tasks[1].questions[0].example.answer, 1);
  const auto all = read_task_list(folder.path() / "tasks.toml");
  ASSERT_THAT(all, SizeIs(3));
  EXPECT_EQ(all[0].kind, TaskKind::Near);
  EXPECT_EQ(all[0].only, "banking");
  EXPECT_EQ(all[0].training, folder.path() / "all.jsonl");
}

}  // namespace
}  // namespace crayon
