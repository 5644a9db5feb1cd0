// Processes of crayon-trainer that train one tiny pool together: the losses of one process, and
// what happens when one of them is killed.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "crayon/base/error.h"
#include "crayon/base/files.h"
#include "crayon/http/free_port.h"
#include "crayon/testing/random.h"
#include "crayon/testing/training.h"

namespace crayon {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr const char* kLong =
    "steps = 160\nlearning_rate = 0.002\nkey_learning_rate = 0.001\nvalidate_every = 0\n"
    "checkpoint_every = 8";
const int kUnavailable = info(ErrorCode::Unavailable).exit_status;

fs::path program(const std::string& name) {
  const char* crayon = std::getenv("CRAYON_BIN");
  if (crayon == nullptr) throw std::runtime_error("CRAYON_BIN is not set: run this by ctest");
  return fs::path(crayon).parent_path() / name;
}

/// A program that writes to FOLDER/NAME.out and .notes; killed when this goes.
class Started {
 public:
  Started(const fs::path& folder, const std::string& name, const std::vector<std::string>& words,
          const std::map<std::string, std::string>& variables = {})
      : notes_(folder / (name + ".notes")) {
    std::vector<std::string> owned = words;
    std::vector<char*> argv;
    for (auto& word : owned) argv.push_back(word.data());
    argv.push_back(nullptr);
    pid_ = fork();
    if (pid_ != 0) return;
    for (const auto& [key, value] : variables) setenv(key.c_str(), value.c_str(), 1);
    const std::string out = (folder / (name + ".out")).string();
    if (std::freopen(out.c_str(), "w", stdout) == nullptr ||
        std::freopen(notes_.c_str(), "w", stderr) == nullptr) {
      _exit(126);
    }
    execv(argv[0], argv.data());
    _exit(127);
  }
  Started(const Started&) = delete;
  Started& operator=(const Started&) = delete;
  ~Started() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  /// Exit status; 128 + the signal that ended it.
  int wait() {
    int status = 0;
    waitpid(std::exchange(pid_, 0), &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  [[nodiscard]] bool runs() const {
    siginfo_t ended{};  // left for wait() to take
    waitid(P_PID, static_cast<id_t>(pid_), &ended, WEXITED | WNOHANG | WNOWAIT);
    return ended.si_pid == 0;
  }
  void signal(int number) const { kill(pid_, number); }
  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] std::string notes() const { return read_text(notes_); }

 private:
  fs::path notes_;
  pid_t pid_ = 0;
};

std::string text_if_any(const fs::path& file) { return fs::exists(file) ? read_text(file) : ""; }

/// Step and loss of a run's log, in its order.
std::vector<std::pair<int, double>> losses(const fs::path& folder) {
  std::vector<std::pair<int, double>> result;
  std::istringstream lines(text_if_any(folder / "checkpoints/log.jsonl"));
  for (std::string line; std::getline(lines, line);) {
    const auto json = nlohmann::json::parse(line, nullptr, false);
    if (json.is_object() && json.contains("loss")) {
      result.emplace_back(json["step"].get<int>(), json["loss"].get<double>());
    }
  }
  return result;
}

class TrainWorkers : public ::testing::Test {
 protected:
  TrainWorkers() { write_training_files(path("."), kLong); }

  [[nodiscard]] fs::path path(const std::string& name) const { return folder_.path() / name; }
  [[nodiscard]] static std::vector<std::string> command(const fs::path& folder,
                                                        const std::string& more) {
    std::vector<std::string> words = {program("crayon").string(), "train",
                                      "--config=" + (folder / "train.toml").string()};
    std::istringstream in(more);
    for (std::string word; in >> word;) words.push_back(word);
    return words;
  }
  /// `crayon train` to its end. @return its exit status
  static int train(const fs::path& folder, const std::string& more = {}) {
    Started run(folder, "run", command(folder, more));
    const int status = run.wait();
    if (status != 0) ADD_FAILURE() << run.notes();
    return status;
  }
  /// One worker, started as a launcher would.
  [[nodiscard]] std::unique_ptr<Started> worker(int rank, int port) const {
    return std::make_unique<Started>(
        folder_.path(), fmt::format("worker{}", rank),
        std::vector<std::string>{program("crayon-trainer").string(),
                                 "--config=" + path("train.toml").string()},
        std::map<std::string, std::string>{{"RANK", std::to_string(rank)},
                                           {"WORLD_SIZE", "2"},
                                           {"LOCAL_RANK", std::to_string(rank)},
                                           {"LOCAL_WORLD_SIZE", "2"},
                                           {"MASTER_ADDR", "127.0.0.1"},
                                           {"MASTER_PORT", std::to_string(port)}});
  }
  /// Until so many steps are logged.
  void wait_for_steps(std::size_t n, const Started& run) const {
    while (losses(folder_.path()).size() < n && run.runs()) std::this_thread::sleep_for(2ms);
    ASSERT_LT(losses(folder_.path()).size(), 160u) << "over before it could be killed";
  }
  /// From its last checkpoint the run ends with the losses of one that was never stopped.
  void expect_resumes(const std::vector<std::pair<int, double>>& want) const {
    for (const char* workers : {"1", "2"}) {
      TemporaryFolder copy;
      fs::copy(folder_.path(), copy.path(), fs::copy_options::recursive);
      ASSERT_EQ(train(copy.path(), fmt::format("--resume --workers {}", workers)), 0);
      const auto got = losses(copy.path());
      ASSERT_EQ(got.back().first, 160);
      for (const auto& [step, loss] : got) {
        ASSERT_NEAR(loss, want[static_cast<std::size_t>(step - 1)].second, 1e-4)
            << "step " << step << ", " << workers << " workers";
      }
      EXPECT_TRUE(fs::exists(copy.path() / "pool/pool.json"));
    }
  }
  [[nodiscard]] static std::vector<std::pair<int, double>> undisturbed() {
    TemporaryFolder folder;
    write_training_files(folder.path(), kLong);
    EXPECT_EQ(train(folder.path()), 0);
    return losses(folder.path());
  }

  TemporaryFolder folder_;
};

TEST_F(TrainWorkers, AKilledWorkerEndsTheJobByNameAndTheCheckpointGoesOnWithAnyNumber) {
  const auto want = undisturbed();
  ASSERT_EQ(want.size(), 160u);
  const int port = free_port() - 1;  // of the launcher; worker 0 listens on the next one
  const auto first = worker(0, port), second = worker(1, port);
  wait_for_steps(20, *first);
  second->signal(SIGKILL);
  EXPECT_EQ(first->wait(), kUnavailable) << first->notes();
  EXPECT_THAT(first->notes(),
              AllOf(HasSubstr(fmt::format("worker 1 of 2 (process {} on ", second->pid())),
                    HasSubstr("died"), HasSubstr("--resume")));
  EXPECT_FALSE(fs::exists(path("pool")));
  expect_resumes(want);
}

TEST_F(TrainWorkers, WithoutTheirLeaderTheOthersEndAndNameIt) {
  const int port = free_port() - 1;
  const auto first = worker(0, port), second = worker(1, port);
  wait_for_steps(10, *first);
  first->signal(SIGKILL);
  EXPECT_EQ(second->wait(), kUnavailable);
  EXPECT_THAT(second->notes(), AllOf(HasSubstr("worker 0 of 2"), HasSubstr("--resume")));
}

TEST_F(TrainWorkers, TheLauncherEndsTheOthersOfAKilledWorkerAndNamesIt) {
  Started launcher(folder_.path(), "launcher", command(folder_.path(), "--workers 2"));
  wait_for_steps(10, launcher);
  const std::string of_launcher = fmt::format("/proc/{0}/task/{0}/children", launcher.pid());
  std::istringstream children([&] {
    std::ifstream in(of_launcher);
    return std::string(std::istreambuf_iterator<char>(in), {});
  }());
  pid_t zero = 0, one = 0;
  children >> zero >> one;
  ASSERT_GT(one, 0);
  kill(one, SIGKILL);
  EXPECT_EQ(launcher.wait(), kUnavailable);
  EXPECT_THAT(launcher.notes(),
              AllOf(HasSubstr(fmt::format("worker 1 of 2 (process {}) was ended by signal 9", one)),
                    HasSubstr("--resume")));
  EXPECT_NE(kill(zero, 0), 0) << "worker 0 still runs";
}

TEST_F(TrainWorkers, CtrlCOfTheLauncherLeavesACheckpoint) {
  Started launcher(folder_.path(), "launcher", command(folder_.path(), "--workers 2"));
  wait_for_steps(10, launcher);
  launcher.signal(SIGINT);
  EXPECT_EQ(launcher.wait(), 130);
  EXPECT_THAT(launcher.notes(), HasSubstr("go on with --resume"));
  const auto last = losses(folder_.path()).back().first;
  EXPECT_TRUE(fs::exists(path(fmt::format("checkpoints/step-{:08}.safetensors", last)))) << last;
}

TEST_F(TrainWorkers, AnErrorThatAllSeeIsSaidOnce) {
  std::ofstream(path("ways.jsonl"), std::ios::app) << "{\"question\": \"cut\n";
  Started launcher(folder_.path(), "launcher", command(folder_.path(), "--workers 2"));
  EXPECT_EQ(launcher.wait(), info(ErrorCode::InvalidArgument).exit_status);
  const std::string notes = launcher.notes();
  const auto first = notes.find("ways.jsonl");
  EXPECT_THAT(notes, HasSubstr("25"));
  ASSERT_NE(first, std::string::npos);
  EXPECT_EQ(notes.find("ways.jsonl", first + 1), std::string::npos) << notes;
}

}  // namespace
}  // namespace crayon
