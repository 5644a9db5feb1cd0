// What the subcommands of `crayon bench` share.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <iosfwd>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "crayon/bench/report.h"
#include "crayon/bench/result_store.h"
#include "crayon/bench/run.h"
#include "crayon/cli/common.h"
#include "crayon/formats/gguf.h"
#include "crayon/pool/pool.h"

namespace crayon {

/// The flags that every run of a benchmark has.
struct BenchRunArgs {
  CommonArgs common;
  ModelArgs model;
  ServerArgs server;
  std::filesystem::path pool;
  std::filesystem::path plan;
  std::filesystem::path tasks;
  bool quick = false;
  std::vector<std::string> only;
  std::vector<std::uint64_t> seeds;
  std::optional<std::size_t> questions;
  std::string number_type;
  std::filesystem::path work;
  std::vector<std::filesystem::path> from;
  std::optional<double> slice_minutes;
  std::filesystem::path out;
  std::filesystem::path html;
};

/// What differs in their help.
struct BenchRunHelp {
  const char* pool;
  const char* plan;
  const char* quick;
  const char* tasks;
};
void add_run_options(CLI::App& cmd, BenchRunArgs& args, const BenchRunHelp& help);

/// Refuses before any work starts to write where that cannot be done.
void check_outputs(const BenchRunArgs& args);

/// The folder of --work, else the usual one.
[[nodiscard]] ResultStore open_store(const BenchRunArgs& args);

/// The processor's name and the threads, for the report.
[[nodiscard]] std::string machine_name(int threads);

void say_taken_over(const TakenOver& from, std::ostream& notes);

/// Into the options of a run: machine, context, slice, and who hears of what is taken over.
template <typename Options>
void set_run_options(const BenchRunArgs& args, std::ostream& notes, Options& options) {
  options.context_tokens = args.model.context_tokens;
  options.machine = machine_name(args.common.threads);
  if (!args.common.quiet) {
    options.on_taken_over = [&notes](const TakenOver& from) { say_taken_over(from, notes); };
  }
  if (args.slice_minutes) {
    options.slice = std::chrono::duration<double, std::ratio<60>>(*args.slice_minutes);
  }
}

/// A file of the project's folder benchmarks/, here or in a folder above. @throws Error NotFound
[[nodiscard]] std::filesystem::path find_plan(const std::string& name);

/// The pool that is given, else the only one in pools/. @throws Error NotFound, InvalidArgument
[[nodiscard]] Pool open_bench_pool(const std::filesystem::path& given);

/// What a report says of the run: all but the multitask pool and the server.
[[nodiscard]] BenchSettings bench_settings(const BenchRunArgs& args, const BaseModel& model,
                                           const Pool& pool);

/// SHA-256 of a pool's manifest. @throws Error  as sha256_file
[[nodiscard]] std::string pool_sha256(const std::filesystem::path& folder);

/// The command line as typed, of the running program.
[[nodiscard]] std::string typed_command();

struct BenchModel {
  std::filesystem::path file;
  BaseModel base;  ///< Of that file.
};
/// The model that fits the pool, not opened yet. @param wanted  the pool's base
[[nodiscard]] BenchModel find_bench_model(const ModelArgs& args, const CommonArgs& common,
                                          const BaseModel& wanted, std::ostream& notes);

/// Opens it, or its copy in the plan's number type, which is written where it is not there yet: a
/// bad task is to be found before.
[[nodiscard]] std::shared_ptr<Model> open_bench_model(const BenchModel& found,
                                                      const std::optional<TensorType>& number_type,
                                                      const BenchRunArgs& args);

}  // namespace crayon
