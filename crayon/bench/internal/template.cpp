#include "crayon/bench/internal/template.h"

#include <fmt/format.h>

#include "crayon/base/error.h"
#include "crayon/base/text.h"

namespace crayon {
namespace {

/// The text before the next place, or all that is left.
std::string_view plain_part(std::string_view text, std::size_t at, const std::string& where) {
  std::size_t end = at;
  while (true) {
    end = text.find('{', end);
    if (end == std::string_view::npos || end + 1 == text.size()) return text.substr(at);
    const char next = text[end + 1];
    if (next == '{') return text.substr(at, end - at);
    if (next == '%' || next == '#') {
      throw Error(ErrorCode::Unsupported,
                  fmt::format("{}: has '{{{}', expected places {{{{...}}}} only; statements and "
                              "comments of Jinja are not supported, write the result into the data",
                              where, next));
    }
    ++end;
  }
}

/// The expression behind "{{" at `at`, which is moved behind its "}}".
Expression place(std::string_view text, std::size_t& at) {
  at += 2;
  Expression expression = parse_expression(text, at);
  if (text.substr(at).starts_with("}}")) {
    at += 2;
    return expression;
  }
  if (at == text.size()) {
    throw Error(ErrorCode::InvalidArgument, "has a place without its end, expected }}; close it");
  }
  throw Error(ErrorCode::Unsupported,
              fmt::format("has '{}' in a place, expected }}}} there; supported are fields, texts, "
                          "whole numbers, lists, + and -, some methods and filters",
                          one_line(text.substr(at), 30)));
}

Json located(const Expression& part, const Json& row, const std::string& where) {
  try {
    return part(row);
  } catch (const Error& e) {
    throw Error(e.code(), fmt::format("{}: {}", where, e.what()));
  }
}

}  // namespace

Template::Template(std::string_view text, std::string where) : where_(std::move(where)) {
  for (std::size_t at = 0; at < text.size();) {
    const std::string_view plain = plain_part(text, at, where_);
    if (!plain.empty()) {
      parts_.emplace_back([value = std::string(plain)](const Json&) { return Json(value); });
      at += plain.size();
      continue;
    }
    try {
      parts_.push_back(place(text, at));
      is_plain_ = false;
    } catch (const Error& e) {
      throw Error(e.code(), fmt::format("{}: {}", where_, e.what()));
    }
  }
}

std::string Template::text(const Json& row, const std::string& row_where) const {
  const std::string where = fmt::format("{}: {}", row_where, where_);
  std::string out;
  for (const Expression& part : parts_) {
    out += located([&](const Json& from) { return Json(text_of(part(from))); }, row, where)
               .get_ref<const std::string&>();
  }
  return out;
}

Json Template::value(const Json& row, const std::string& row_where) const {
  if (is_plain_ || parts_.size() != 1) return text(row, row_where);
  return located(parts_.front(), row, fmt::format("{}: {}", row_where, where_));
}

}  // namespace crayon
