#include "crayon/bench/internal/functions.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "crayon/base/error.h"
#include "crayon/base/text.h"

namespace crayon {
namespace {

using Args = std::span<const Json>;

Error wrong(std::string_view found, std::string_view expected) {
  return {ErrorCode::InvalidArgument, fmt::format("{}, expected {}", found, expected)};
}

const std::string& string_of(const Json& value) {
  if (!value.is_string()) throw wrong(fmt::format("is {}", kind_of(value)), "a text");
  return value.get_ref<const std::string&>();
}

/// How many characters; bytes 10xxxxxx go on with the one before.
std::size_t n_characters(std::string_view text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (c & 0xC0) != 0x80; }));
}

const std::string& ascii_of(const Json& value) {
  const std::string& text = string_of(value);
  if (std::ranges::all_of(text, [](char c) { return (c & 0x80) == 0; })) return text;
  throw Error(ErrorCode::Unsupported,
              "changes the case of a text beyond ASCII, which is not supported; write it so in the "
              "data");
}

std::string_view without_front(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  return text;
}

std::string_view without_back(std::string_view text) {
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

Json strip(const Json& self, Args) { return trimmed(string_of(self)); }
Json strip_left(const Json& self, Args) { return without_front(string_of(self)); }
Json strip_right(const Json& self, Args) { return without_back(string_of(self)); }
Json lower(const Json& self, Args) { return lowered(ascii_of(self)); }

Json upper(const Json& self, Args) {
  std::string text = ascii_of(self);
  for (char& c : text) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return text;
}

Json replace(const Json& self, Args args) {
  const std::string& from = string_of(args[0]);
  const std::string& to = string_of(args[1]);
  std::string text = string_of(self);
  if (from.empty()) throw wrong("replaces a text of no characters", "at least one");
  for (auto at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
  return text;
}

Json index(const Json& self, Args args) {
  if (self.is_string()) {
    const auto at = string_of(self).find(string_of(args[0]));
    if (at != std::string::npos) return n_characters(string_of(self).substr(0, at));
  } else if (self.is_array()) {
    const auto found = std::ranges::find(self, args[0]);
    if (found != self.end()) return found - self.begin();
  } else {
    throw wrong(fmt::format("index() of {}", kind_of(self)), "a list or a text");
  }
  throw wrong("index() of what is not there", "one that the list or text holds");
}

Json length(const Json& self, Args) {
  if (self.is_string()) return n_characters(string_of(self));
  if (self.is_structured()) return self.size();
  throw wrong(fmt::format("length of {}", kind_of(self)), "a text or a list");
}

Json whole_number(const Json& self, Args) {
  if (self.is_number_integer()) return self;
  const std::string_view text = trimmed(string_of(self));
  std::int64_t number = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failed == std::errc() && end == text.data() + text.size()) return number;
  throw wrong("int of a text that is no whole number", "one");
}

Json as_text(const Json& self, Args) { return text_of(self); }

constexpr std::array kFunctions{
    TemplateFunction{"strip", false, 0, strip},
    TemplateFunction{"lstrip", false, 0, strip_left},
    TemplateFunction{"rstrip", false, 0, strip_right},
    TemplateFunction{"lower", false, 0, lower},
    TemplateFunction{"upper", false, 0, upper},
    TemplateFunction{"replace", false, 2, replace},
    TemplateFunction{"index", false, 1, index},
    TemplateFunction{"trim", true, 0, strip},
    TemplateFunction{"lower", true, 0, lower},
    TemplateFunction{"upper", true, 0, upper},
    TemplateFunction{"length", true, 0, length},
    TemplateFunction{"int", true, 0, whole_number},
    TemplateFunction{"string", true, 0, as_text},
};

std::string written(const TemplateFunction& function) {
  constexpr std::array<std::string_view, 3> kArgs{"", "x", "x, y"};
  if (function.is_filter) return fmt::format("|{}", function.name);
  return fmt::format(".{}({})", function.name, kArgs.at(function.n_args));
}

}  // namespace

const TemplateFunction& find_function(std::string_view name, bool is_filter, std::size_t n_args) {
  std::string known;
  for (const TemplateFunction& function : kFunctions) {
    if (function.name == name && function.is_filter == is_filter && function.n_args == n_args) {
      return function;
    }
    known += (known.empty() ? "" : ", ") + written(function);
  }
  throw Error(ErrorCode::Unsupported,
              fmt::format("has {} '{}' with {} arguments, supported are {}; write the result into "
                          "the data",
                          is_filter ? "filter" : "method", name, n_args, known));
}

std::string_view kind_of(const Json& value) {
  if (value.is_string()) return "a text";
  if (value.is_array()) return "a list";
  if (value.is_object()) return "an object";
  if (value.is_number()) return "a number";
  return value.is_boolean() ? "true or false" : "null";
}

std::string text_of(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_boolean()) return value.get<bool>() ? "True" : "False";  // as Jinja writes them
  if (value.is_number()) return value.dump();
  throw wrong(fmt::format("a place is {}", kind_of(value)), "a text or a number");
}

}  // namespace crayon
