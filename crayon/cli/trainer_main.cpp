// The program `crayon-trainer`, which `crayon train` starts: alone with libtorch, whose loading
// nothing else has to pay. Results go to standard output, everything else to standard error.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>
#include <system_error>

#include "crayon/base/error.h"
#include "crayon/base/interrupt.h"
#include "crayon/cli/guard.h"
#include "crayon/trainer/train.h"

namespace crayon {
namespace {

struct TrainerArgs {
  std::filesystem::path config;
  TrainRunOptions run;
  bool json = false;
  std::filesystem::path checkpoints;  ///< The config's, once it is read.
};

/// Is there a checkpoint to go on from? Ctrl-C may come before the first. Throws nothing: it runs
/// where errors are caught.
bool has_checkpoint(const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::directory_iterator entry(folder, error);
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    if (entry->path().extension() == ".safetensors") return true;
  }
  return false;
}

void add_options(CLI::App& app, TrainerArgs& args) {
  app.add_option("--config", args.config, "TOML file that says what to train")->required();
  auto* resume = app.add_flag("--resume", args.run.resume, "Go on from the newest checkpoint");
  auto* restart =
      app.add_flag("--restart", args.run.restart, "Throw checkpoints away and begin anew");
  resume->excludes(restart);
  app.add_flag("--export", args.run.export_only, "Write the pool from the newest checkpoint")
      ->excludes(restart);
  app.add_option("--slice-minutes", args.run.slice_minutes,
                 "Stop with a checkpoint after so many minutes; 0: as the config says")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--threads", args.run.threads, "Threads; 0: as the config says")
      ->check(CLI::Range(0, 4096));
  app.add_flag("--json", args.json, "Print one JSON object instead of text");
}

nlohmann::ordered_json to_json(const TrainReport& report) {
  auto validation = nlohmann::ordered_json::array();
  for (const TrainValidation& v : report.validation) {
    validation.push_back(
        {{"set", v.set},
         {"n", v.n},
         {"base", {{"accuracy", v.base}, {"standard_error", v.base_error}}},
         {"even", {{"accuracy", v.even}, {"standard_error", v.even_error}}},
         {"tilted", {{"accuracy", v.tilted}, {"standard_error", v.tilted_error}}}});
  }
  return {{"finished", report.finished},
          {"pool", report.finished ? report.folder.string() : ""},
          {"steps", report.steps},
          {"samples", report.samples},
          {"minutes", report.minutes},
          {"samples_per_second", report.samples_per_second},
          {"number_type", report.number_type},
          {"validation", validation}};
}

void run_trainer(TrainerArgs& args, std::ostream& out, std::ostream& notes) {
  const TrainConfig config = load_train_config(args.config);
  args.checkpoints = config.train.checkpoints;
  const TrainReport report = train_pool(config, args.run, notes);
  if (args.json) {
    out << to_json(report).dump() << '\n';
  } else if (report.finished) {
    out << fmt::format("{}: {} samples in {:.0f} minutes, {}\n", report.folder.string(),
                       report.samples, report.minutes, report.number_type);
  } else {
    out << report.note << '\n';
  }
}

int parse_and_run(CLI::App& app, TrainerArgs& args, int argc, char** argv) {
  int status = 0;
  try {
    app.parse(argc, argv);
    run_trainer(args, std::cout, std::cerr);
  } catch (const CLI::Success& success) {  // --help and --version
    status = app.exit(success, std::cout, std::cerr);
  } catch (const CLI::ParseError& error) {
    std::cerr << "crayon-trainer: " << error.what() << " (see `crayon-trainer --help`)\n";
    return info(ErrorCode::InvalidArgument).exit_status;
  }
  require_written(std::cout);
  return status;
}

int run_program(int argc, char** argv) {
  handle_interrupts();
  TrainerArgs args;
  const ProgramWords words{
      "crayon-trainer", "lower [train] batch_tokens or cache_gib", [&args]() -> std::string {
        return has_checkpoint(args.checkpoints) ? "go on with --resume" : "nothing was written";
      }};
  return guarded(words, std::cerr, [&] {
    CLI::App app("Train a pool of LoRA adapters and its gate", "crayon-trainer");
    add_options(app, args);
    return parse_and_run(app, args, argc, argv);
  });
}

/// Threads of GNU's OpenMP spin for milliseconds while they wait for each other, which on a machine
/// that does other work too makes training many times slower. The library reads its setting once,
/// when it is loaded: start again with it set.
void shorten_spinning(char** argv) {
  if (std::getenv("GOMP_SPINCOUNT") != nullptr || std::getenv("OMP_WAIT_POLICY") != nullptr) return;
  setenv("GOMP_SPINCOUNT", "10000", 1);  // about 20 microseconds
  execv("/proc/self/exe", argv);         // where this fails, training is slower, not wrong
}

}  // namespace
}  // namespace crayon

int main(int argc, char** argv) {
  crayon::shorten_spinning(argv);
  return crayon::run_program(argc, argv);
}
