// Checked access to the tables of a plan in TOML.
#pragma once

#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "crayon/base/error.h"
#include "crayon/base/files.h"

namespace crayon {

/// @throws Error NotFound; InvalidArgument (file and line)
inline toml::table parse_toml(const std::filesystem::path& file) {
  const std::string text = read_text(file, 1 << 20);
  try {
    return toml::parse(text, file.string());
  } catch (const toml::parse_error& error) {
    throw Error(
        ErrorCode::InvalidArgument,
        fmt::format("{}:{}: {}", file.string(), error.source().begin.line, error.description()));
  }
}

/// A TOML file's table with messages that name file and line; borrows both.
class TomlReader {
 public:
  TomlReader(const std::filesystem::path& file, const toml::table& table)
      : file_(file), table_(table) {}

  [[noreturn]] void refuse(const std::string& what, const toml::node* at = nullptr) const {
    const auto line = (at == nullptr ? table_.source() : at->source()).begin.line;
    throw Error(ErrorCode::InvalidArgument, fmt::format("{}:{}: {}", file_.string(), line, what));
  }

  void only(const std::vector<std::string>& known) const {
    for (const auto& [key, node] : table_) {
      if (std::ranges::find(known, key.str()) != known.end()) continue;
      refuse(fmt::format("unknown key '{}'; expected one of {}", key.str(), fmt::join(known, ", ")),
             &node);
    }
  }

  template <typename T>
  std::optional<T> value(const char* key) const {
    const toml::node* node = table_.get(key);
    if (node == nullptr) return std::nullopt;
    const auto found = node->value<T>();
    if (!found) refuse(fmt::format("'{}' is of another kind", key), node);
    return found;
  }

  template <typename T>
  std::vector<T> list(const char* key) const {
    const toml::node* node = table_.get(key);
    if (node == nullptr || !node->is_array() || node->as_array()->empty()) {
      refuse(fmt::format("'{}' is no list with at least one value", key), node);
    }
    std::vector<T> found;
    for (const toml::node& one : *node->as_array()) {
      const auto value = one.value<T>();
      if (!value) refuse(fmt::format("'{}' holds a value of another kind", key), &one);
      found.push_back(*value);
    }
    return found;
  }

 private:
  const std::filesystem::path& file_;
  const toml::table& table_;
};

}  // namespace crayon
