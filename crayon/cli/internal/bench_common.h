// What the subcommands of `crayon bench` share.
#pragma once

#include <filesystem>
#include <iosfwd>
#include <memory>
#include <optional>
#include <string>

#include "crayon/bench/run.h"
#include "crayon/cli/common.h"
#include "crayon/formats/gguf.h"
#include "crayon/pool/pool.h"

namespace crayon {

/// A file of the project's folder benchmarks/, here or in a folder above. @throws Error NotFound
[[nodiscard]] std::filesystem::path find_plan(const std::string& name);

/// The pool that is given, else the only one in pools/. @throws Error NotFound, InvalidArgument
[[nodiscard]] Pool open_bench_pool(const std::filesystem::path& given);

/// The processor's name and the threads, for the report.
[[nodiscard]] std::string machine_name(int threads);

/// The command line as typed, of the running program.
[[nodiscard]] std::string typed_command();

void say_taken_over(const TakenOver& from, std::ostream& notes);

struct BenchModel {
  std::filesystem::path file;
  BaseModel base;                ///< Of that file.
  std::shared_ptr<Model> model;  ///< Of the file, or of its copy in the plan's number type.
};
/// @param wanted  the pool's base
[[nodiscard]] BenchModel open_bench_model(const ModelArgs& args, const CommonArgs& common,
                                          const std::optional<TensorType>& number_type,
                                          const BaseModel& wanted, std::ostream& notes);

}  // namespace crayon
