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
#include <streambuf>
#include <string>
#include <system_error>

#include "crayon/base/error.h"
#include "crayon/base/interrupt.h"
#include "crayon/cli/guard.h"
#include "crayon/cli/internal/finite.h"
#include "crayon/trainer/train.h"
#include "crayon/trainer/workers.h"

namespace crayon {
namespace {

constexpr const char* kWorkers =
    R"(Several processes train one pool together when each is started with RANK, WORLD_SIZE, MASTER_ADDR
and MASTER_PORT in its environment, as `torchrun --no-python crayon-trainer ...` does; LOCAL_RANK
and LOCAL_WORLD_SIZE share out a machine. Each needs the config, the data and the base model; the
checkpoints and the pool are written by worker 0. The connections are not authenticated: use them in
a network that you trust. On one machine: crayon train --workers N.)";

struct TrainerArgs {
  std::filesystem::path config;
  TrainRunOptions run;
  int store_port = 0;
  double worker_minutes = WorkerPlace{}.wait_minutes;
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
      app.add_flag("--restart", args.run.restart,
                   "Throw checkpoints away and begin anew; replace the pool in [pool] out");
  resume->excludes(restart);
  app.add_flag("--export", args.run.export_only, "Write the pool from the newest checkpoint")
      ->excludes(restart);
  app.add_option("--slice-minutes", args.run.slice_minutes,
                 "Stop with a checkpoint after so many minutes; 0: as the config says")
      ->check(finite_range(0, 1e6));
  app.add_option("--threads", args.run.threads,
                 "Threads of this machine, shared by its workers; 0: as the config says")
      ->check(CLI::Range(0, 4096));
  app.add_option("--store-port", args.store_port,
                 "Port on which worker 0 listens for the others; 0: the one after MASTER_PORT")
      ->check(CLI::Range(0, 65535));
  app.add_option("--worker-minutes", args.worker_minutes,
                 "Longest wait for a worker that lives but does not come; then all end")
      ->check(finite_range(0.01, 1440))
      ->capture_default_str();
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

/// Swallows what is written to it.
class Nowhere : public std::streambuf {
 protected:
  int overflow(int c) override { return std::char_traits<char>::not_eof(c); }
};

/// This worker's part; worker 0 speaks for all.
int run_trainer(TrainerArgs& args, ProcessGroup& group, bool speaks, std::ostream& out) {
  Nowhere nowhere;
  std::ostream silent(&nowhere);
  const TrainConfig config = load_train_config(args.config);
  args.checkpoints = config.train.checkpoints;
  const TrainReport report = train_pool(config, args.run, group, speaks ? std::cerr : silent);
  if (!speaks) return 0;
  if (args.json) {
    out << to_json(report).dump() << '\n';
  } else if (report.finished) {
    out << fmt::format("{}: {} samples in {:.0f} minutes, {}\n", report.folder.string(),
                       report.samples, report.minutes, report.number_type);
  } else {
    out << report.note << '\n';
  }
  return 0;
}

int join_and_run(TrainerArgs& args) {
  WorkerPlace place =
      worker_place([](const char* name) { return std::getenv(name); }, args.store_port);
  place.wait_minutes = args.worker_minutes;
  const auto group = join_workers(place);
  return run_worker(*group, [&] { return run_trainer(args, *group, place.rank == 0, std::cout); });
}

int parse_and_run(CLI::App& app, TrainerArgs& args, int argc, char** argv) {
  int status = 0;
  try {
    app.parse(argc, argv);
    status = join_and_run(args);
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
    app.footer(kWorkers);
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
