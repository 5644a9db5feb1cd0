// What the commands that change a pool share.
#pragma once

#include <CLI/App.hpp>
#include <cstdint>
#include <filesystem>
#include <iosfwd>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "crayon/cli/common.h"
#include "crayon/engine/engine.h"

namespace crayon {

struct EditArgs {
  CommonArgs common;
  ModelArgs model;
  std::filesystem::path folder;
  std::filesystem::path prompts;  ///< JSONL, "-" or a folder of sets.
  std::size_t limit = 0;
  std::uint64_t seed = 1;
  bool dry_run = false;
};

/// The base model with an engine for embeddings.
struct OpenBase {
  std::filesystem::path file;
  std::shared_ptr<Model> model;
  std::unique_ptr<Engine> engine;
};

/// @param wanted  the pool's base, or null: the one that is asked for
[[nodiscard]] OpenBase open_base(const EditArgs& args, const BaseModel* wanted,
                                 std::ostream& notes);

/// "mine" of "a/mine/" and "a/mine.gguf".
[[nodiscard]] std::string stem_of(const std::filesystem::path& path);

/// The result as JSON or text, with whether anything was written.
void print(const EditArgs& args, std::ostream& out, nlohmann::ordered_json json,
           const std::string& text);

CLI::App* add_edit_command(CLI::App& parent, const std::string& name, const std::string& what,
                           EditArgs& args);

/// --limit, --seed and the model's options.
void add_prompt_options(CLI::App& cmd, EditArgs& args, const std::string& limit_of);

void add_calibrate_pool_command(CLI::App& pool);
void add_scope_command(CLI::App& pool);
void add_shrink_command(CLI::App& pool);

}  // namespace crayon
