// crayon train: hands over to crayon-trainer, the program that carries libtorch, so that nothing
// else pays for loading it.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "crayon/base/error.h"
#include "crayon/cli/commands.h"

namespace crayon {
namespace {

namespace fs = std::filesystem;

constexpr const char* kTrainer = "crayon-trainer";

bool runnable(const fs::path& file) {
  return fs::is_regular_file(file) && access(file.c_str(), X_OK) == 0;
}

/// Beside our own program, else in PATH; empty when it is nowhere.
fs::path find_trainer() {
  std::error_code error;
  const fs::path self = fs::read_symlink("/proc/self/exe", error);
  if (!error && runnable(self.parent_path() / kTrainer)) return self.parent_path() / kTrainer;
  const char* path = std::getenv("PATH");
  std::string_view rest = path == nullptr ? "" : path;
  while (!rest.empty()) {
    const auto end = std::min(rest.find(':'), rest.size());
    if (end > 0 && runnable(fs::path(rest.substr(0, end)) / kTrainer)) {
      return fs::path(rest.substr(0, end)) / kTrainer;
    }
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return {};
}

/// Becomes the trainer, so that signals and exit status are its own.
[[noreturn]] void run_train(const std::vector<std::string>& args) {
  const fs::path trainer = find_trainer();
  if (trainer.empty()) {
    throw Error(ErrorCode::Unsupported,
                fmt::format("no {} beside crayon or in PATH: this build has no trainer; install "
                            "libtorch and rebuild with -DCRAYON_TRAINER=ON",
                            kTrainer));
  }
  std::vector<char*> argv;
  std::string program = trainer.string();
  argv.push_back(program.data());
  std::vector<std::string> owned = args;
  for (std::string& arg : owned) argv.push_back(arg.data());
  argv.push_back(nullptr);
  execv(program.c_str(), argv.data());
  throw Error(ErrorCode::Unavailable,
              fmt::format("cannot start {}: {}", program, std::strerror(errno)));
}

}  // namespace

void add_train_command(CLI::App& app) {
  CLI::App* cmd = app.add_subcommand("train", "Train a pool (crayon-trainer; see its --help)");
  cmd->set_help_flag();  // the trainer's own help says more
  cmd->prefix_command();
  cmd->callback([cmd] { run_train(cmd->remaining()); });
}

}  // namespace crayon
