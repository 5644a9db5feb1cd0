// crayon bench route as a program, against a larger LLM on loopback.
#include <gmock/gmock.h>

#include <algorithm>

#include "crayon/base/files.h"
#include "crayon/cli/internal/program_fixture_test.h"
#include "crayon/testing/recording_server.h"

namespace crayon {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::SizeIs;

class BenchRoute : public Program {
 protected:
  void SetUp() override {
    world_->write("two.toml",
                  "[tasks]\nmine = { data = \"examples.jsonl\" }\n"
                  "yours = { data = \"examples.jsonl\" }\n");
    world_->write("plan.toml",
                  "tasks = \"two.toml\"\nk = 4\npool = \"pool\"\nresamples = 50\n"
                  "risk_resamples = 20\nscope_examples = [3, 4]\n");
  }
  void TearDown() override {
    for (const char* name : {"a.json.gz", "a.html", "b.html"}) {
      std::filesystem::remove(world_->path(name));
    }
    for (const char* name : {"one", "two"}) std::filesystem::remove_all(world_->path(name));
  }
  [[nodiscard]] std::string command(const std::string& work) const {
    return "bench route --model model.gguf --plan plan.toml --server-url " + server_.url() +
           " --server-model big --work " + work + " ";
  }
  [[nodiscard]] std::size_t asked() const {
    const auto heard = server_.heard();
    return static_cast<std::size_t>(std::ranges::count_if(
        heard, [](const std::string& text) { return text.starts_with("POST"); }));
  }
  RecordingServer server_;
};

TEST_F(BenchRoute, WritesAReportAndAPageAndAsksTheServerOnceForEachRow) {
  ProgramRun done = run(command("one") + "-o a.json.gz --html a.html");
  EXPECT_EQ(done.status, 0) << done.notes;
  EXPECT_THAT(done.out, AllOf(HasSubstr("Server big: 2 tasks"), HasSubstr("crayon")));
  EXPECT_THAT(read_text(world_->path("a.html")), HasSubstr("deferral-0"));
  EXPECT_EQ(asked(), 8u) << "both tasks have the same rows";
  server_.forget();
  done = run(command("one") + "--json");
  EXPECT_EQ(done.status, 0) << done.notes;
  EXPECT_EQ(asked(), 0u);
  const auto report = nlohmann::json::parse(done.out);
  EXPECT_EQ(report["schema"], "crayon-bench-route/1");
  EXPECT_THAT(report["results"]["device"], SizeIs(2));
  EXPECT_THAT(report["times"]["command"].get<std::string>(), HasSubstr("bench route"));

  done = run(command("two") + "--from a.json.gz --json");
  EXPECT_EQ(done.status, 0);
  EXPECT_THAT(done.notes, HasSubstr("a.json.gz: 5 of 6 results taken over; 1 were there already"));
  EXPECT_EQ(asked(), 0u);
  auto again = nlohmann::json::parse(done.out);
  EXPECT_EQ(again["servers"], report["servers"]);
  done = run(command("three") + "--from a.json.gz --seeds 2 --json");
  EXPECT_EQ(done.status, 0);
  EXPECT_THAT(done.notes, HasSubstr("are of other work (the device"));

  done = run("bench report a.json.gz --html b.html");
  EXPECT_EQ(done.status, 0) << done.notes;
  EXPECT_THAT(done.out, HasSubstr("Server big"));
  EXPECT_THAT(read_text(world_->path("b.html")), HasSubstr("a.json.gz"));
  EXPECT_EQ(run("bench report a.json.gz a.json.gz").status, 6);
}

TEST_F(BenchRoute, NamesWhatIsMissing) {
  const std::string base = "bench route --model model.gguf --plan plan.toml --work one ";
  ProgramRun done = run(base);
  EXPECT_EQ(done.status, 2);
  EXPECT_THAT(done.notes, HasSubstr("no server: give --server-url and --server-model"));
  done = run(base + "--server-url " + server_.url());
  EXPECT_EQ(done.status, 2);
  EXPECT_THAT(done.notes, HasSubstr("1 --server-url and 0 --server-model"));
  done = run(command("one") + "--server-url " + server_.url() + " --server-model big");
  EXPECT_EQ(done.status, 2);
  EXPECT_THAT(done.notes, HasSubstr("'big' is given twice"));
  done = run(command("one") + "--only nime");
  EXPECT_EQ(done.status, 2);
  EXPECT_THAT(done.notes, HasSubstr("did you mean mine?"));
  EXPECT_FALSE(std::filesystem::exists(world_->path("one")));
}

TEST_F(BenchRoute, ListsTheRouters) {
  const ProgramRun done = run("bench routers");
  EXPECT_EQ(done.status, 0);
  EXPECT_THAT(done.out, AllOf(HasSubstr("query-logistic"), HasSubstr("needs no labels")));
}

}  // namespace
}  // namespace crayon
