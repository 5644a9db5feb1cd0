#include "crayon/base/process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <string_view>
#include <thread>

#include "crayon/base/error.h"
#include "crayon/base/interrupt.h"

namespace crayon {
namespace {

using namespace std::chrono_literals;

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (std::string& text : texts) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

// This process's environment with the child's own values in place of ours.
std::vector<std::string> merged_environment(const std::vector<std::string>& changes) {
  const auto changed = [&](std::string_view line) {
    return std::any_of(changes.begin(), changes.end(), [&](const std::string& change) {
      return line.starts_with(change.substr(0, change.find('=') + 1));
    });
  };
  std::vector<std::string> result = changes;
  for (char** line = environ; *line != nullptr; ++line) {
    if (!changed(*line)) result.emplace_back(*line);
  }
  return result;
}

// Where the child's three standard streams go.
class Streams {
 public:
  explicit Streams(const std::filesystem::path& output) {
    posix_spawn_file_actions_init(&actions_);
    posix_spawn_file_actions_addopen(&actions_, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions_, STDOUT_FILENO, output.c_str(),
                                     O_WRONLY | O_CREAT | O_TRUNC, 0644);
    posix_spawn_file_actions_adddup2(&actions_, STDOUT_FILENO, STDERR_FILENO);
  }
  Streams(const Streams&) = delete;
  Streams& operator=(const Streams&) = delete;
  ~Streams() { posix_spawn_file_actions_destroy(&actions_); }
  [[nodiscard]] const posix_spawn_file_actions_t* get() const { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_{};
};

// A child that is never left behind: ended and waited for, whatever is thrown.
class Running {
 public:
  explicit Running(pid_t pid) : pid_(pid) {}
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;
  ~Running() {
    if (ended_) return;
    kill(pid_, SIGTERM);
    for (int i = 0; i < 50 && !poll(); ++i) std::this_thread::sleep_for(100ms);
    if (ended_) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, &status_, 0);
  }

  bool poll() {
    if (ended_) return true;
    const pid_t got = waitpid(pid_, &status_, WNOHANG);
    const bool taken = got < 0 && errno == ECHILD;  // somebody else waited for it
    if (taken) status_ = kUnknownStatus;
    ended_ = taken || got == pid_;
    return ended_;
  }
  [[nodiscard]] int exit_status() const {
    return WIFEXITED(status_) ? WEXITSTATUS(status_) : 128 + WTERMSIG(status_);
  }

 private:
  static constexpr int kUnknownStatus = 255 << 8;  // as waitpid() gives exit status 255

  pid_t pid_;
  int status_ = 0;
  bool ended_ = false;
};

// A program that started us may have left SIGCHLD ignored, and then the system throws away the exit
// statuses of our children, and of theirs.
void keep_exit_statuses() {
  struct sigaction action {};
  if (sigaction(SIGCHLD, nullptr, &action) == 0 && action.sa_handler == SIG_IGN) {
    std::signal(SIGCHLD, SIG_DFL);
  }
}

pid_t start(const ChildProcess& child) {
  keep_exit_statuses();
  std::vector<std::string> arguments = child.arguments;
  std::vector<std::string> environment = merged_environment(child.environment);
  const Streams streams(child.output);
  pid_t pid = 0;
  const int failed = posix_spawnp(&pid, arguments.front().c_str(), streams.get(), nullptr,
                                  pointers(arguments).data(), pointers(environment).data());
  if (failed != 0) {
    throw Error(ErrorCode::Unavailable, fmt::format("program '{}' cannot be started: {}",
                                                    arguments.front(), std::strerror(failed)));
  }
  return pid;
}

}  // namespace

int run_process(const ChildProcess& child) {
  Running running(start(child));
  for (int i = 1; !running.poll(); ++i) {
    throw_if_interrupted();
    if (child.on_wait && i % 10 == 0) child.on_wait();
    std::this_thread::sleep_for(20ms);
  }
  throw_if_interrupted();  // Ctrl-C reaches the child too, which then seems to have failed
  return running.exit_status();
}

}  // namespace crayon
