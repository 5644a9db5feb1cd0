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
#include <memory>
#include <string>
#include <vector>

#include "crayon/base/error.h"
#include "crayon/base/log.h"
#include "crayon/cli/commands.h"
#include "crayon/cli/internal/finite.h"
#include "crayon/cli/train_workers.h"
#include "crayon/cli/trainer_program.h"

namespace crayon {
namespace {

namespace fs = std::filesystem;

/// The flags of crayon-trainer, which are ours too, so that defaults reach them.
struct TrainArgs {
  fs::path config;
  bool resume = false;
  bool restart = false;
  bool export_only = false;
  double slice_minutes = 0;
  int threads = 0;
  int workers = 1;
  int gpu_layers = 0;
  bool json = false;
};

/// The trainer's command line: flags, environment and crayon.toml, resolved.
std::vector<std::string> command_line(const TrainArgs& args) {
  std::vector<std::string> words = {"--config=" + args.config.string()};
  if (args.resume) words.emplace_back("--resume");
  if (args.restart) words.emplace_back("--restart");
  if (args.export_only) words.emplace_back("--export");
  if (args.slice_minutes > 0)
    words.push_back(fmt::format("--slice-minutes={}", args.slice_minutes));
  if (args.threads > 0) words.push_back(fmt::format("--threads={}", args.threads));
  if (args.json) words.emplace_back("--json");
  return words;
}

/// Becomes the trainer, so that signals and exit status are its own; with several workers, waits
/// for them and ends with their status.
[[noreturn]] void run_train(const TrainArgs& args) {
  if (args.gpu_layers > 0) {
    log_warning("--gpu-layers is not used: [train] device of the config says where to train");
  }
  const fs::path trainer = find_trainer();
  if (trainer.empty()) {
    throw Error(ErrorCode::Unsupported,
                fmt::format("no {} beside crayon or in PATH: this build has no trainer; install "
                            "libtorch and rebuild with -DCRAYON_TRAINER=ON",
                            kTrainer));
  }
  if (args.workers > 1) std::exit(run_workers(trainer, command_line(args), args.workers));
  std::vector<char*> argv;
  std::string program = trainer.string();
  argv.push_back(program.data());
  std::vector<std::string> owned = command_line(args);
  for (std::string& arg : owned) argv.push_back(arg.data());
  argv.push_back(nullptr);
  execv(program.c_str(), argv.data());
  throw Error(ErrorCode::Unavailable,
              fmt::format("cannot start {}: {}", program, std::strerror(errno)));
}

}  // namespace

void add_train_command(CLI::App& app) {
  auto args = std::make_shared<TrainArgs>();  // shared with the callback, which outlives us
  CLI::App* cmd = app.add_subcommand("train", "Train a pool, by the program crayon-trainer");
  cmd->add_option("--config", args->config, "TOML file that says what to train")->required();
  CLI::Option* resume = cmd->add_flag("--resume", args->resume, "Go on from the newest checkpoint");
  CLI::Option* restart =
      cmd->add_flag("--restart", args->restart,
                    "Throw checkpoints away and begin anew; replace the pool in [pool] out")
          ->excludes(resume);
  cmd->add_flag("--export", args->export_only, "Write the pool from the newest checkpoint")
      ->excludes(restart);
  cmd->add_option("--slice-minutes", args->slice_minutes,
                  "Stop with a checkpoint after so many minutes; 0: as the config says")
      ->check(finite_range(0, 1e6));
  cmd->add_option("--threads", args->threads,
                  "Threads, shared by the workers of this machine; 0: as the config says")
      ->check(CLI::Range(0, 4096));
  cmd->add_option("--workers", args->workers,
                  "Processes that train together on this machine; on many machines start "
                  "crayon-trainer by torchrun (see crayon-trainer --help)")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  cmd->add_option("--gpu-layers", args->gpu_layers, "Not used: [train] device of the config says")
      ->check(CLI::Range(0, 10000));
  cmd->add_flag("--json", args->json, "Print one JSON object instead of text");
  cmd->callback([args] { run_train(*args); });
}

}  // namespace crayon
