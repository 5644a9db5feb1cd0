// What the commands that change a pool share.
#pragma once

#include <CLI/App.hpp>
#include <cstdint>
#include <filesystem>
#include <iosfwd>
#include <nlohmann/json.hpp>
#include <string>

#include "crayon/cli/common.h"

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

/// "mine" of "a/mine/" and "a/mine.gguf".
[[nodiscard]] std::string stem_of(const std::filesystem::path& path);

/// The result as JSON or text, with whether anything was written.
void print(const EditArgs& args, std::ostream& out, nlohmann::ordered_json json,
           const std::string& text);

CLI::App* add_edit_command(CLI::App& parent, const std::string& name, const std::string& what,
                           EditArgs& args);

void add_shrink_command(CLI::App& pool);

}  // namespace crayon
