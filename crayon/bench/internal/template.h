// Texts with places {{...}} that a row of data fills: the part of Jinja that tasks of questions
// with choices use. Nothing in it loops, assigns or calls code of others.
#pragma once

#include <cstddef>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace crayon {

using Json = nlohmann::json;

/// What an expression is for one row. Throws Error that says what was found and expected, without
/// the place.
using Expression = std::function<Json(const Json& row)>;

/// An expression inside {{ }}: fields (a, a.b, a['b'], a[0]), texts, whole numbers, lists, +, -,
/// methods and filters; strip and trim know ASCII blanks alone, lower and upper ASCII texts alone.
/// `at` is moved to what follows it.
/// @throws Error Unsupported      what is not in this list
/// @throws Error InvalidArgument  it ends too early
[[nodiscard]] Expression parse_expression(std::string_view text, std::size_t& at);

/// A value as text: texts as they are, numbers, True and False.
/// @throws Error InvalidArgument  null, a list or an object
[[nodiscard]] std::string text_of(const Json& value);

class Template {
 public:
  /// @param where  for messages: "file:line: key"
  /// @throws Error Unsupported, InvalidArgument  as parse_expression(), and {% %} and {# #}
  Template(std::string_view text, std::string where);

  /// Is there no {{...}}?
  [[nodiscard]] bool is_plain() const { return is_plain_; }
  /// @param row  an object @param row_where  for messages: "file:line"
  /// @throws Error InvalidArgument  a field that the row lacks, a value of another kind
  [[nodiscard]] std::string text(const Json& row, const std::string& row_where) const;
  /// The value itself where the template is one place and nothing else, otherwise text().
  [[nodiscard]] Json value(const Json& row, const std::string& row_where) const;

 private:
  std::vector<Expression> parts_;
  std::string where_;
  bool is_plain_ = true;
};

}  // namespace crayon
