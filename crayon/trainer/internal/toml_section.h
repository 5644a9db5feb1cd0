// Reads one table of a TOML file into typed fields: every key is known, of the right type and in
// its range, or one error says which is not. No third-party type leaves toml_section.cpp.
#pragma once

#include <concepts>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <memory>
#include <string>
#include <vector>

namespace crayon {

struct TomlNode;  ///< A table of the parsed file.

/// A range of a number; both ends belong to it.
struct Range {
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
};

/// One table. The reads leave a field as it is when its key is missing; finish() refuses keys that
/// no read asked for. @throws (all) Error InvalidArgument  file, line, key, found, expected
class TomlSection {
 public:
  TomlSection(std::shared_ptr<const TomlNode> node, std::string file, std::string title);

  void read(const std::string& key, bool& field);
  void read(const std::string& key, std::string& field);
  void read(const std::string& key, std::filesystem::path& field);
  void read(const std::string& key, double& field, Range range = {});
  template <std::integral T>
  void read(const std::string& key, T& field, Range range = {}) {
    field = static_cast<T>(integer(key, static_cast<std::int64_t>(field), range));
  }
  /// Is the key there?
  [[nodiscard]] bool has(const std::string& key) const;
  void require(const std::string& key) const;
  /// A table below this one, empty when missing.
  [[nodiscard]] TomlSection table(const std::string& key);
  /// The tables of an array of tables, none when missing.
  [[nodiscard]] std::vector<TomlSection> tables(const std::string& key);
  void finish() const;
  /// An error that names file, line and key.
  [[noreturn]] void fail(const std::string& key, const std::string& what) const;

 private:
  [[nodiscard]] std::int64_t integer(const std::string& key, std::int64_t now, Range range);
  void check(const std::string& key, double value, Range range) const;
  [[noreturn]] void wrong_type(const std::string& key, const std::string& expected) const;

  std::shared_ptr<const TomlNode> node_;
  std::string file_;
  std::string title_;  ///< "[train]"; "" for the file's own table.
  std::vector<std::string> known_;
};

/// Parses a text. @throws Error InvalidArgument  file, line and column of the first mistake
[[nodiscard]] TomlSection parse_toml(const std::string& text, const std::string& file);

}  // namespace crayon
