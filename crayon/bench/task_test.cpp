#include "crayon/bench/task.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "crayon/base/error.h"
#include "crayon/base/files.h"
#include "crayon/bench/internal/bench_world_test.h"
#include "crayon/bench/plan.h"
#include "crayon/testing/random.h"

namespace crayon {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Property;
using ::testing::SizeIs;
using ::testing::Throws;

class Task : public ::testing::Test {
 protected:
  std::filesystem::path write(const std::string& name, const std::string& text) const {
    write_atomically(folder_.path() / name, std::string_view(text));
    return folder_.path() / name;
  }
  static std::string rows(int n, const std::string& task = "t") {
    std::string lines;
    for (int i = 0; i < n; ++i) {
      lines += R"({"question":"q)" + std::to_string(i) +
               R"(","choices":["a","b"],"answer":1,"task":")" + task + "\"}\n";
    }
    return lines;
  }
  TemporaryFolder folder_;
};

TEST_F(Task, OneFileIsHalvedAndALineIsEnough) {
  write("mine.jsonl", rows(9));
  const auto list =
      read_task_list(write("tasks.toml", "[tasks]\nmine = { data = \"mine.jsonl\" }"));
  ASSERT_THAT(list, SizeIs(1));
  EXPECT_EQ(list[0].kind, TaskKind::Far);
  const BenchTask task = load_task(list[0], 0, 4);
  EXPECT_THAT(task.examples, SizeIs(5));
  EXPECT_THAT(task.questions, SizeIs(4));
  EXPECT_EQ(task.questions[0].example.question, "q1");
  EXPECT_THAT(load_task(list[0], 2, 4).questions, SizeIs(2));
}

TEST_F(Task, RowsOfAnotherSubjectAreLeftOut) {
  write("a.jsonl", rows(3, "x") + rows(5, "y"));
  write("b.jsonl", rows(2, "y") + rows(4, "x"));
  const auto list = read_task_list(write("tasks.toml",
                                         "[tasks]\nm = { examples = \"a.jsonl\", questions = "
                                         "\"b.jsonl\", only = \"y\", kind = \"near\" }"));
  const BenchTask task = load_task(list[0], 0, 1);
  EXPECT_EQ(task.kind, TaskKind::Near);
  EXPECT_THAT(task.examples, SizeIs(5));
  EXPECT_THAT(task.questions, SizeIs(2));
  EXPECT_THAT(task.training, SizeIs(5));
}

TEST_F(Task, ASmallerDrawIsTheBeginningOfALargerOneAndSeedsDiffer) {
  write("mine.jsonl", rows(60));
  const auto list = read_task_list(write("tasks.toml", "[tasks]\nm = { data = \"mine.jsonl\" }"));
  const BenchTask task = load_task(list[0], 0, 16);
  const auto large = draw_examples(task, 16, 1);
  EXPECT_EQ(hash_rows(draw_examples(task, 8, 1)), hash_rows({large.begin(), large.begin() + 8}));
  EXPECT_NE(hash_rows(large), hash_rows(draw_examples(task, 16, 2)));
  std::set<std::string> different;
  for (const BenchRow& row : large) different.insert(row.example.question);
  EXPECT_THAT(different, SizeIs(16));
}

TEST_F(Task, TheHashSeesEverythingThatIsShown) {
  const BenchRow row = make_row("r", "q", {"a", "b"}, 0);
  const std::string hash = hash_rows({row});
  for (int field = 0; field < 5; ++field) {
    BenchRow other = row;
    if (field == 0) other.example.question = "q2";
    if (field == 1) other.example.context = "c";
    if (field == 2) other.example.choices = {"ab", ""};
    if (field == 3) other.example.answer = 1;
    if (field == 4) other.text = "t";
    EXPECT_NE(hash_rows({other}), hash) << field;
  }
}

TEST_F(Task, BadListsAndTasksGiveOneClearError) {
  write("mine.jsonl", rows(9));
  write("one.jsonl", R"({"question":"q","choices":["a"],"answer":0})");
  write("out.jsonl", R"({"question":"q","choices":["a","b"],"answer":2})");
  write("none.jsonl", R"({"question":"q","choices":["a","b"]})");
  write("free.jsonl", R"({"prompt":"q","completion":"a"})");
  const struct {
    const char* text;
    const char* says;
  } bad[] = {
      {"", "no [tasks]"},
      {"tasks = 3", "no [tasks]"},
      {"[tasks]\n", "no [tasks]"},
      {"[tasks]\nm = 3", "tasks.toml:2"},
      {"[tasks]\nm = {", "tasks.toml:2"},
      {"[tasks]\nm = { kind = \"far\" }", "exactly one of"},
      {"[tasks]\nm = { data = \"mine.jsonl\", yaml = \"x.yaml\" }", "exactly one of"},
      {"[tasks]\nm = { examples = \"mine.jsonl\" }", "exactly one of"},
      {"[tasks]\nm = { data = 3 }", "'data' of task 'm' is no text"},
      {"[tasks]\nm = { data = \"mine.jsonl\", kind = \"odd\" }", "pool, near or far"},
      {"[tasks]\nm = { dta = \"mine.jsonl\" }", "unknown key 'dta'"},
      {"[tasks]\nm = { data = \"nowhere.jsonl\" }", "nowhere.jsonl"},
      {"[tasks]\nm = { data = \"one.jsonl\" }", "one.jsonl:1"},
      {"[tasks]\nm = { data = \"out.jsonl\" }", "out.jsonl:1"},
      {"[tasks]\nm = { data = \"none.jsonl\" }", "no answer"},
      {"[tasks]\nm = { data = \"free.jsonl\" }", "no choices"},
      {"[tasks]\nm = { data = \"mine.jsonl\", only = \"zz\" }", "of 'zz'"},
      {"[tasks]\nm = { data = \"mine.jsonl\" }", "5 examples"},
  };
  for (const auto& [text, says] : bad) {
    const auto file = write("tasks.toml", text);
    EXPECT_THAT([&] { (void)load_task(read_task_list(file).front(), 0, 6); },
                Throws<Error>(Property(&Error::what, HasSubstr(says))))
        << text;
  }
}

TEST_F(Task, PlansSayTasksMethodsKAndSeeds) {
  write("mine.jsonl", rows(9));
  write("tasks.toml", "[tasks]\nm = { data = \"mine.jsonl\" }\nn = { data = \"mine.jsonl\" }");
  const BenchPlan plan =
      read_plan(write("plan.toml",
                      "tasks = \"tasks.toml\"\nonly = [\"n\"]\nquestions = 7\nscoring = \"sum\"\n"
                      "[[grid]]\nmethods = [\"base\", \"crayon\"]\nk = [4]\nseeds = [1, 2]\n"
                      "[[grid]]\nmethods = [\"base\"]\nk = [4, 2]\nseeds = [1]\n"));
  EXPECT_THAT(plan.tasks, SizeIs(1));
  EXPECT_EQ(plan.tasks[0].name, "n");
  EXPECT_EQ(plan.questions, 7u);
  EXPECT_EQ(plan.scoring, Scoring::Sum);
  std::vector<std::string> cells;
  for (const BenchCell& cell : cells_of(plan)) {
    cells.push_back(std::string(cell.method->name) + " " + std::to_string(cell.k) + " " +
                    std::to_string(cell.seed));
  }
  EXPECT_THAT(cells, ElementsAre("base 4 1", "crayon 4 1", "base 2 1", "base 4 2", "crayon 4 2"));
}

TEST_F(Task, BadPlansGiveOneClearError) {
  write("mine.jsonl", rows(9));
  write("tasks.toml", "[tasks]\nm = { data = \"mine.jsonl\" }");
  const std::string grid = "[[grid]]\nmethods = [\"base\"]\nk = [4]\nseeds = [1]\n";
  const struct {
    std::string text;
    const char* says;
  } bad[] = {
      {grid, "no 'tasks'"},
      {"tasks = \"none.toml\"\n" + grid, "none.toml"},
      {"tasks = \"tasks.toml\"\n", "no [[grid]]"},
      {"tasks = \"tasks.toml\"\nscoring = \"odd\"\n" + grid, "scoring 'odd'"},
      {"tasks = \"tasks.toml\"\nquestions = -1\n" + grid, "questions = -1"},
      {"tasks = \"tasks.toml\"\nonly = [\"mm\"]\n" + grid, "unknown task 'mm'"},
      {"tasks = \"tasks.toml\"\nodd = 1\n" + grid, "plan.toml:2: unknown key 'odd'"},
      {"tasks = \"tasks.toml\"\n[[grid]]\nmethods = [\"bse\"]\nk = [4]\nseeds = [1]\n",
       "unknown method 'bse'; did you mean base"},
      {"tasks = \"tasks.toml\"\n[[grid]]\nmethods = [\"base\"]\nk = [0]\nseeds = [1]\n", "k = 0"},
      {"tasks = \"tasks.toml\"\n[[grid]]\nmethods = [\"base\"]\nk = []\nseeds = [1]\n", "'k'"},
      {"tasks = \"tasks.toml\"\n[[grid]]\nmethods = [\"base\"]\nk = [4]\nseeds = [\"x\"]\n",
       "'seeds' holds"},
      {"tasks = [\n", "plan.toml:"},
  };
  for (const auto& [text, says] : bad) {
    const auto file = write("plan.toml", text);
    EXPECT_THAT([&] { (void)read_plan(file); },
                Throws<Error>(Property(&Error::what, HasSubstr(says))))
        << text;
  }
}

}  // namespace
}  // namespace crayon
