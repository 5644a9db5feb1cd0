#include "crayon/cli/train_workers.h"

#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <thread>
#include <utility>

#include "crayon/base/error.h"
#include "crayon/base/interrupt.h"
#include "crayon/http/free_port.h"

namespace crayon {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr auto kPoll = 50ms;
constexpr auto kGrace = 30s;      // more than a worker needs to learn that another has failed
constexpr int kNotStarted = 127;  // a worker's status, as a shell's

class Workers {
 public:
  Workers(const std::filesystem::path& program, const std::vector<std::string>& arguments, int n)
      : program_(program.string()), n_(n) {
    const std::string port = std::to_string(free_port());
    std::vector<std::string> words = {program_};
    words.insert(words.end(), arguments.begin(), arguments.end());
    words.push_back("--store-port=" + port);
    for (int rank = 0; rank < n; ++rank) start(words, rank, port);
  }
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;
  ~Workers() {
    for (const pid_t pid : pids_) {
      if (pid <= 0) continue;
      kill(pid, SIGKILL);
      waitpid(pid, nullptr, 0);
    }
  }

  /// Until all have ended, or the time of those that another's failure should have ended is over.
  int wait() {
    std::optional<Clock::time_point> end;
    while (alive_ > 0 && !(end && Clock::now() > *end)) {
      if (interrupted() && !handed_on_) hand_on();
      if (!poll()) std::this_thread::sleep_for(kPoll);
      if (status_ != 0 && !end) end = Clock::now() + kGrace;
    }
    return status_;
  }

 private:
  void start(std::vector<std::string>& words, int rank, const std::string& port) {
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    const pid_t self = getpid();
    const pid_t pid = fork();
    if (pid < 0) {
      throw Error(ErrorCode::Unavailable, fmt::format("worker {} of {} cannot be started: {}", rank,
                                                      n_, std::strerror(errno)));
    }
    if (pid == 0) {
      setpgid(0, 0);  // the terminal's Ctrl-C comes through us, so that it comes once
      prctl(PR_SET_PDEATHSIG, SIGTERM);
      if (getppid() != self) _exit(1);
      setenv("RANK", std::to_string(rank).c_str(), 1);
      setenv("LOCAL_RANK", std::to_string(rank).c_str(), 1);
      setenv("WORLD_SIZE", std::to_string(n_).c_str(), 1);
      setenv("LOCAL_WORLD_SIZE", std::to_string(n_).c_str(), 1);
      setenv("MASTER_ADDR", "127.0.0.1", 1);
      setenv("MASTER_PORT", port.c_str(), 1);
      execv(argv[0], argv.data());
      _exit(kNotStarted);
    }
    pids_.push_back(pid);
    ++alive_;
  }

  void hand_on() {
    handed_on_ = true;
    for (const pid_t pid : pids_) {
      if (pid > 0) kill(pid, SIGINT);
    }
  }

  /// Takes note of one worker that has ended, if one has.
  bool poll() {
    for (std::size_t rank = 0; rank < pids_.size(); ++rank) {
      int status = 0;
      if (pids_[rank] <= 0 || waitpid(pids_[rank], &status, WNOHANG) != pids_[rank]) continue;
      const pid_t pid = std::exchange(pids_[rank], 0);
      --alive_;
      if (WIFEXITED(status) && WEXITSTATUS(status) == kNotStarted) {
        throw Error(
            ErrorCode::Unavailable,
            fmt::format("{}: cannot be started; is it a program that you may run?", program_));
      }
      if (WIFSIGNALED(status) && status_ == 0) {
        throw Error(ErrorCode::Unavailable,
                    fmt::format("worker {} of {} (process {}) was ended by signal {} ({}); the "
                                "others were ended too; the last checkpoint is kept: go on with "
                                "--resume, on any number of workers",
                                rank, n_, pid, WTERMSIG(status), strsignal(WTERMSIG(status))));
      }
      if (status_ == 0 && WIFEXITED(status)) status_ = WEXITSTATUS(status);
      return true;
    }
    return false;
  }

  std::string program_;
  int n_;
  std::vector<pid_t> pids_;  ///< 0 once ended.
  int alive_ = 0;
  int status_ = 0;
  bool handed_on_ = false;
};

}  // namespace

int run_workers(const std::filesystem::path& program, const std::vector<std::string>& arguments,
                int n) {
  std::signal(SIGCHLD, SIG_DFL);  // ignored by whoever started us, it would lose exit statuses
  return Workers(program, arguments, n).wait();
}

}  // namespace crayon
