// crayon bench as a program: slices, reports that are gone on from, and runs that are killed.
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/wait.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "crayon/base/files.h"
#include "crayon/base/random.h"
#include "crayon/base/sha256.h"
#include "crayon/cli/internal/program_fixture_test.h"
#include "crayon/testing/recording_server.h"

namespace crayon {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;
using ::testing::SizeIs;

const std::string kBench = "bench customize --model model.gguf --pool pool --tasks tasks.toml ";
/// 36 cells; every value that the store keeps of them is a file.
const std::string kMany =
    kBench + "--methods base,uniform,random,crayon,few-shot,probe -k 2,3,4 --seeds 1,2 ";

class Bench : public Program {
 protected:
  void SetUp() override {
    world_->write("tasks.toml", "[tasks]\nmine = { data = \"examples.jsonl\" }");
  }
  void TearDown() override {
    for (const char* name : {"a.json", "a.html", "b.json.gz", "report.json"}) {
      std::filesystem::remove(world_->path(name));
    }
    for (const char* name : {"one", "two", "killed"}) {
      std::filesystem::remove_all(world_->path(name));
    }
  }
  /// A report without what depends on the clock and the machine.
  static std::string timeless(const std::string& json) {
    auto report = nlohmann::ordered_json::parse(json);
    report.erase("times");
    return report.dump();
  }
  static std::string report_of(const std::string& args) {
    const ProgramRun done = run(args + "--json");
    EXPECT_EQ(done.status, 0) << done.notes;
    return done.out;
  }
  static std::size_t files_in(const std::string& folder) {
    if (!std::filesystem::exists(world_->path(folder))) return 0;
    const std::filesystem::recursive_directory_iterator all(world_->path(folder));
    return static_cast<std::size_t>(std::count_if(begin(all), end(all), [](const auto& entry) {
      return entry.path().extension() == ".cbor";
    }));
  }
  /// Starts a run and kills it once `files` more are in its store. @return was it killed?
  static bool run_and_kill(const std::string& args, const std::string& folder, std::size_t files) {
    const std::size_t until = files_in(folder) + files;
    const pid_t child = world_->start(args);
    int status = 0;
    while (files_in(folder) < until) {
      if (::waitpid(child, &status, WNOHANG) == child) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    ::kill(child, SIGKILL);
    ::waitpid(child, &status, 0);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
  }
};

TEST_F(Bench, ARunThatIsKilledAndStartedAgainGivesTheSame) {
  const std::string whole = report_of(kMany + "--work one ");
  const std::size_t all = files_in("one");
  ASSERT_GT(all, 36u);
  Rng rng(std::chrono::steady_clock::now().time_since_epoch().count());
  std::size_t killed = 0;
  for (std::size_t left = all; left > 8; left = all - files_in("killed")) {
    const std::size_t files = 1 + rng.below(left / 3);
    SCOPED_TRACE(std::to_string(files));
    if (!run_and_kill(kMany + "--work killed -o report.json ", "killed", files)) break;
    ++killed;
    EXPECT_FALSE(std::filesystem::exists(world_->path("report.json")));
  }
  EXPECT_GT(killed, 1u);
  EXPECT_EQ(timeless(report_of(kMany + "--work killed ")), timeless(whole));
  EXPECT_EQ(files_in("killed"), all);
}

TEST_F(Bench, AReportIsGoneOnFromOnAnotherMachine) {
  const std::string whole = report_of(kMany + "--work one ");
  ProgramRun done = run(kBench +
                        "--methods base,uniform,random,ties -k 2,3,4 --seeds 1 "
                        "--work one -o b.json.gz");
  EXPECT_EQ(done.status, 0) << done.notes;
  done = run(kMany + "--work two --from b.json.gz -o a.json");
  EXPECT_EQ(done.status, 0) << done.notes;
  EXPECT_THAT(done.notes, HasSubstr("b.json.gz: 9 of 12 results taken over; 3 are of other work "
                                    "(ties)\n"));
  EXPECT_EQ(timeless(read_text(world_->path("a.json"))), timeless(whole));
  done = run(kMany + "-q --work two --from b.json.gz --from a.json --slice-minutes 0");
  EXPECT_EQ(done.status, 0);
  EXPECT_EQ(done.notes, "");
  EXPECT_THAT(done.out, Not(HasSubstr("PARTIAL")));
}

TEST_F(Bench, ResultsOfTheRivalAreKeptByItsManifestAlone) {
  namespace fs = std::filesystem;
  const std::string args = kBench + "--methods base,multitask -k 4 --seeds 1 ";
  ProgramRun done = run(args + "--multitask pool --work one -o a.json");
  ASSERT_EQ(done.status, 0) << done.notes;
  fs::create_directory(world_->path("two"));
  fs::copy(world_->path("pool/pool.json"), world_->path("two/pool.json"));
  done = run(args + "--multitask two --work killed --from a.json --json");
  EXPECT_EQ(done.status, 0) << done.notes;
  EXPECT_EQ(timeless(done.out), timeless(read_text(world_->path("a.json"))));
  fs::remove_all(world_->path("killed"));
  done = run(args + "--multitask two --work killed");
  EXPECT_EQ(done.status, 0) << done.notes;
  EXPECT_THAT(done.notes, HasSubstr("left out multitask: no --multitask pool with its adapters"));
}

TEST_F(Bench, AllMethodsMayBeAskedForByThatWord) {
  const ProgramRun all = run(kBench + "--methods all -k 4 --seeds 1 --work one --slice-minutes 0");
  EXPECT_EQ(all.status, 0) << all.notes;
  EXPECT_THAT(all.notes, HasSubstr("left out server"));
}

TEST_F(Bench, ASliceOfNoTimeReportsWhatIsThere) {
  ProgramRun done = run(kBench +
                        "--methods base -k 4 --seeds 1,2 --work one --slice-minutes 0 "
                        "-o a.json --html a.html");
  EXPECT_EQ(done.status, 0) << done.notes;
  EXPECT_THAT(done.notes, HasSubstr("partial: 0 of 2 results"));
  EXPECT_THAT(done.out, HasSubstr("PARTIAL: 0 of 2 planned results so far"));
  EXPECT_THAT(read_text(world_->path("a.html")), HasSubstr("<b>Partial:</b> 0 of 2"));
  (void)report_of(kBench + "--methods base -k 4 --seeds 2 --work one --slice-minutes 9 ");
  done = run(kBench + "--methods base -k 4 --seeds 1,2 --work one --slice-minutes 0 --json");
  const auto report = nlohmann::json::parse(done.out);
  EXPECT_EQ(report["cells"], nlohmann::json({{"planned", 2}, {"done", 1}}));
  EXPECT_EQ(report["results"][0]["seed"], 2);
  EXPECT_THAT(report["times"]["machines"][0].get<std::string>(), HasSubstr(", 1 threads"));
  EXPECT_THAT(report["times"]["command"].get<std::string>(),
              AllOf(HasSubstr("crayon bench customize"), Not(HasSubstr("/crayon"))));
}

TEST_F(Bench, AServerThatIsNotThereIsFoundBeforeAnyWork) {
  const std::string args = kBench +
                           "--methods base,server -k 4 --seeds 1 --server-url http://127.0.0.1:9 "
                           "--server-model big ";
  const ProgramRun done = run(args + "--work one -q");
  EXPECT_EQ(done.status, 7);
  EXPECT_THAT(done.notes, AllOf(HasSubstr("method 'server'"), HasSubstr("127.0.0.1:9")));
  EXPECT_EQ(std::ranges::count(done.notes, '\n'), 1) << done.notes;
  EXPECT_EQ(files_in("one"), 0u);
}

TEST_F(Bench, AServerIsNotLookedForWhereNothingIsLeftToAsk) {
  const RecordingServer server;
  const std::string args =
      kBench + "--methods base,server -k 4 --seeds 1 --server-model big --work one -q ";
  ProgramRun done = run(args + "--server-url " + server.url());
  EXPECT_EQ(done.status, 0) << done.notes;
  done = run(args + "--server-url http://127.0.0.1:9");
  EXPECT_EQ(done.status, 0) << done.notes;
}

/// Turning a model's numbers takes a while and leaves a large file.
TEST_F(Bench, ABadTaskIsFoundBeforeTheModelIsTurnedIntoOtherNumbers) {
  world_->write("tasks.toml", "[tasks]\nmine = { data = \"bad.jsonl\" }");
  world_->write("bad.jsonl", R"({"question":"a","choices":["x"],"answer":0})"
                             "\n");
  for (const std::string& command :
       {kBench, std::string("bench route --model model.gguf --pool pool --tasks tasks.toml "
                            "--server-url http://127.0.0.1:9 --server-model big ")}) {
    const ProgramRun done = run(command + "--number-type bf16 --work one");
    EXPECT_EQ(done.status, 2) << done.notes;
    EXPECT_THAT(done.notes, HasSubstr("bad.jsonl:1"));
    EXPECT_FALSE(std::filesystem::exists(world_->path("run/number_types")));
  }
}

TEST_F(Bench, AReportNamesTheCommitAndThePoolsHash) {
  const auto report = nlohmann::json::parse(
      report_of(kBench + "--methods base,multitask -k 4 --seeds 1 --multitask pool --work one "));
  const auto& settings = report["settings"];
  const std::string commit = settings["commit"].get<std::string>();
  EXPECT_THAT(commit, MatchesRegex("([0-9a-f]+[+]?)?"));
  EXPECT_THAT(run("--version").out, HasSubstr(commit.empty() ? "crayon " : " (" + commit + ")"));
  EXPECT_EQ(settings["pool_sha256"], sha256_file(world_->path("pool/pool.json")));
  EXPECT_EQ(settings["multitask_sha256"], settings["pool_sha256"]);
  EXPECT_THAT(report["tasks"][0]["training_sha256"].get<std::string>(), SizeIs(64));
  EXPECT_TRUE(report["times"]["results"][0].contains("calibrate_seconds"));
}

TEST_F(Bench, AReportThatCannotBeReadIsFoundBeforeAnyWork) {
  world_->write("a.json", R"({"schema": "crayon-bench-customize/1", "results": 3})");
  const ProgramRun done = run(kMany + "--work one --from a.json");
  EXPECT_EQ(done.status, 5);
  EXPECT_EQ(std::ranges::count(done.notes, '\n'), 1) << done.notes;
  EXPECT_FALSE(std::filesystem::exists(world_->path("one")));
}

}  // namespace
}  // namespace crayon
