// JSON from outside: strict parsing (each key once, bounded depth), and typed access whose errors
// name the file, the key, what was found and what was expected.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "crayon/base/error.h"

namespace crayon {

using Json = nlohmann::json;

inline constexpr int kMaxJsonDepth = 64;

/// May a message quote a key? Those of the user's own texts may be private.
enum class JsonKeys { Quoted, Private };

/// What is wrong with `text` as JSON ("is not JSON at byte 7", "has the key 'a' twice", ...), or ""
/// when nothing is.
[[nodiscard]] std::string json_fault(std::string_view text, JsonKeys keys = JsonKeys::Quoted);

/// @throws Error CorruptFile  with `file` and json_fault()
[[nodiscard]] Json parse_json(std::string_view text, const std::string& file);

/// "a text", "a number", "nothing": the kind of a value, for messages.
[[nodiscard]] std::string_view kind_name(const Json& value);

/// Valid UTF-8 without overlong forms and surrogates?
[[nodiscard]] bool is_utf8(std::string_view text);

/// 64 lower-case hexadecimal digits?
[[nodiscard]] bool is_sha256(std::string_view text);

/// An object of a JSON file. Borrows the value. Every accessor throws Error CorruptFile when the
/// key is missing or of another kind.
class JsonObject {
 public:
  /// @param path  where in the file it stands, with a last dot: "base.", or "" for the whole file
  JsonObject(const Json& value, std::string file, std::string path);

  [[nodiscard]] bool has(const std::string& key) const { return value_.contains(key); }
  [[nodiscard]] std::string text(const std::string& key) const;
  [[nodiscard]] std::int64_t integer(const std::string& key, std::int64_t least,
                                     std::int64_t most) const;
  [[nodiscard]] double real(const std::string& key) const;  ///< Finite.
  [[nodiscard]] bool boolean(const std::string& key) const;
  [[nodiscard]] std::vector<std::string> texts(const std::string& key) const;
  [[nodiscard]] JsonObject object(const std::string& key) const;
  [[nodiscard]] std::vector<JsonObject> objects(const std::string& key) const;
  /// A hash, or "" where `may_be_empty`.
  [[nodiscard]] std::string sha256(const std::string& key, bool may_be_empty = false) const;
  [[nodiscard]] const Json& json(const std::string& key) const;
  [[nodiscard]] const std::string& file() const { return file_; }
  /// "file: key 'base.name' is ..., expected ...".
  [[nodiscard]] Error wrong(const std::string& key, std::string_view expected) const;

 private:
  const Json& value_;
  std::string file_;
  std::string path_;
};

}  // namespace crayon
