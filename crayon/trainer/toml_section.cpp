#include "crayon/trainer/internal/toml_section.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <toml++/toml.h>

#include <algorithm>

#include "crayon/base/error.h"
#include "crayon/base/nearest.h"

namespace crayon {

struct TomlNode {
  std::shared_ptr<const toml::table> root;  ///< Keeps `table` alive.
  const toml::table* table = nullptr;       ///< Null: a table that the file does not have.

  [[nodiscard]] const toml::node* get(const std::string& key) const {
    return table == nullptr ? nullptr : table->get(key);
  }
};

namespace {

std::string type_name(const toml::node& node) {
  switch (node.type()) {
    case toml::node_type::table:
      return "a table";
    case toml::node_type::array:
      return "an array";
    case toml::node_type::string:
      return "a string";
    case toml::node_type::integer:
      return "an integer";
    case toml::node_type::floating_point:
      return "a number";
    case toml::node_type::boolean:
      return "true or false";
    default:
      return "a date or time";
  }
}

}  // namespace

TomlSection::TomlSection(std::shared_ptr<const TomlNode> node, std::string file, std::string title)
    : node_(std::move(node)), file_(std::move(file)), title_(std::move(title)) {}

void TomlSection::fail(const std::string& key, const std::string& what) const {
  const toml::node* node = node_->get(key);
  const auto line = node != nullptr ? node->source().begin.line : 0;
  throw Error(ErrorCode::InvalidArgument,
              fmt::format("{}{}: {}{}{} {}", file_, line > 0 ? fmt::format(":{}", line) : "",
                          title_, title_.empty() ? "" : " ", key, what));
}

void TomlSection::wrong_type(const std::string& key, const std::string& expected) const {
  fail(key, fmt::format("is {}; expected {}", type_name(*node_->get(key)), expected));
}

void TomlSection::check(const std::string& key, double value, Range range) const {
  if (value >= range.low && value <= range.high) return;
  fail(key, fmt::format("is {}; expected a number from {} to {}", value, range.low, range.high));
}

bool TomlSection::has(const std::string& key) const { return node_->get(key) != nullptr; }

void TomlSection::require(const std::string& key) const {
  if (!has(key)) fail(key, "is missing; set it");
}

void TomlSection::read(const std::string& key, bool& field) {
  known_.push_back(key);
  const toml::node* node = node_->get(key);
  if (node == nullptr) return;
  if (!node->is_boolean()) wrong_type(key, "true or false");
  field = node->as_boolean()->get();
}

void TomlSection::read(const std::string& key, std::string& field) {
  known_.push_back(key);
  const toml::node* node = node_->get(key);
  if (node == nullptr) return;
  if (!node->is_string()) wrong_type(key, "a string");
  field = node->as_string()->get();
}

void TomlSection::read(const std::string& key, std::filesystem::path& field) {
  std::string text = field.string();
  read(key, text);
  if (has(key) && text.empty()) fail(key, "is empty; expected a path");
  field = text;
}

void TomlSection::read(const std::string& key, double& field, Range range) {
  known_.push_back(key);
  const toml::node* node = node_->get(key);
  if (node == nullptr) return;
  if (!node->is_number()) wrong_type(key, "a number");
  const double value = *node->value<double>();
  check(key, value, range);
  field = value;
}

std::int64_t TomlSection::integer(const std::string& key, std::int64_t now, Range range) {
  known_.push_back(key);
  const toml::node* node = node_->get(key);
  if (node == nullptr) return now;
  if (!node->is_integer()) wrong_type(key, "an integer");
  const std::int64_t value = node->as_integer()->get();
  check(key, static_cast<double>(value), range);
  return value;
}

TomlSection TomlSection::table(const std::string& key) {
  known_.push_back(key);
  const toml::node* node = node_->get(key);
  if (node != nullptr && !node->is_table()) wrong_type(key, "a table");
  auto below = std::make_shared<TomlNode>(
      TomlNode{node_->root, node == nullptr ? nullptr : node->as_table()});
  return {std::move(below), file_, "[" + key + "]"};
}

std::vector<TomlSection> TomlSection::tables(const std::string& key) {
  known_.push_back(key);
  const toml::node* node = node_->get(key);
  std::vector<TomlSection> result;
  if (node == nullptr) return result;
  const toml::array* array = node->as_array();
  if (array == nullptr) wrong_type(key, "tables, each begun by [[" + key + "]]");
  for (const toml::node& item : *array) {
    if (!item.is_table()) wrong_type(key, "tables, each begun by [[" + key + "]]");
    auto below = std::make_shared<TomlNode>(TomlNode{node_->root, item.as_table()});
    result.emplace_back(std::move(below), file_,
                        fmt::format("[[{}]] number {}:", key, result.size() + 1));
  }
  return result;
}

void TomlSection::finish() const {
  if (node_->table == nullptr) return;
  for (const auto& [key, value] : *node_->table) {
    const std::string name(key.str());
    if (std::find(known_.begin(), known_.end(), name) != known_.end()) continue;
    const auto near = nearest_names(name, known_, 1);
    auto sorted = known_;
    std::sort(sorted.begin(), sorted.end());
    fail(name, fmt::format("is not known; {}known: {}",
                           near.empty() ? "" : fmt::format("did you mean '{}'? ", near[0]),
                           fmt::join(sorted, ", ")));
  }
}

TomlSection parse_toml(const std::string& text, const std::string& file) {
  try {
    auto root = std::make_shared<const toml::table>(toml::parse(text, file));
    const toml::table* table = root.get();
    return {std::make_shared<TomlNode>(TomlNode{std::move(root), table}), file, ""};
  } catch (const toml::parse_error& error) {
    const auto& at = error.source().begin;
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("{}:{}:{}: not TOML: {}; mend this line", file, at.line, at.column,
                            std::string(error.description())));
  }
}

}  // namespace crayon
