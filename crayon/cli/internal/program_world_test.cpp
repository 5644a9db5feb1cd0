#include "crayon/cli/internal/program_world_test.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <stdexcept>

#include "crayon/base/files.h"

namespace crayon {
namespace {

std::string examples() {
  std::string lines;
  for (int k = 0; k < 8; ++k) {
    lines += fmt::format(
        R"({{"id":"e{}","question":"secret{} ok","choices":["yes","no","maybe"],"answer":{}}})", k,
        k, k % 3);
    lines += "\n";
  }
  return lines;
}

}  // namespace

ProgramWorld::ProgramWorld() {
  write_random_model(path("model.gguf"));
  write_random_pool(path("model.gguf"), path("pool"));
  write("examples.jsonl", examples());
  std::filesystem::create_directories(path("home"));
  std::filesystem::create_directories(path("run"));
}

void ProgramWorld::write(const std::string& name, const std::string& text) const {
  write_atomically(path(name), text);
}

std::string ProgramWorld::command(const std::string& args, const std::string& settings,
                                  const std::string& out) const {
  const char* program = std::getenv("CRAYON_BIN");
  if (program == nullptr) throw std::runtime_error("CRAYON_BIN is not set: run this by ctest");
  return fmt::format(
      "cd {0} && exec env CRAYON_HOME={0}/home CRAYON_CACHE={0}/run XDG_CONFIG_HOME={0}/config "
      "CRAYON_THREADS=1 {1} {2} {3} <run/in >{4} 2>run/notes",
      folder_.path().string(), settings, program, args, out);
}

ProgramRun ProgramWorld::run(const std::string& args, const std::string& input,
                             const std::string& settings) const {
  write("run/in", input);
  const int status = std::system(command(args, settings).c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
          read_text(path("run/out")), read_text(path("run/notes"))};
}

ProgramRun ProgramWorld::run_on_terminal(const std::string& args) const {
  write("run/in", "");
  const int terminal = ::posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
  if (terminal < 0 || ::grantpt(terminal) != 0 || ::unlockpt(terminal) != 0) {
    throw std::runtime_error("no pseudo-terminal for the test");
  }
  // Our own hold on the other end keeps what was said until it is read; a few KiB fit.
  const std::string name = ::ptsname(terminal);
  const int held = ::open(name.c_str(), O_RDWR | O_NOCTTY | O_CLOEXEC);
  const int status = std::system(command(args, {}, name).c_str());
  std::string out;
  char bytes[4096];
  for (ssize_t n = 0; (n = ::read(terminal, bytes, sizeof(bytes))) > 0;) {
    out.append(bytes, static_cast<std::size_t>(n));
  }
  ::close(held);
  ::close(terminal);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), out,
          read_text(path("run/notes"))};
}

pid_t ProgramWorld::start(const std::string& args) const {
  write("run/in", "");
  const std::string line = command(args, "");
  const pid_t child = ::fork();
  if (child == 0) {
    ::execl("/bin/sh", "sh", "-c", line.c_str(), nullptr);
    ::_exit(127);
  }
  return child;
}

std::vector<std::string> ProgramWorld::files() const {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_.path())) {
    const std::string name = std::filesystem::relative(entry.path(), folder_.path()).string();
    if (entry.is_regular_file() && !name.starts_with("run/")) names.push_back(name);
  }
  std::ranges::sort(names);
  return names;
}

}  // namespace crayon
