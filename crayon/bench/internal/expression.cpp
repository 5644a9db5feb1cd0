#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "crayon/base/error.h"
#include "crayon/base/text.h"
#include "crayon/bench/internal/functions.h"
#include "crayon/bench/internal/template.h"

namespace crayon {
namespace {

constexpr int kMostDepth = 32;
constexpr int kMostSteps = 1000;  // each one is a call inside the last at evaluation
constexpr std::int64_t kMostSummand = 1'000'000'000'000'000;
constexpr std::array<std::string_view, 13> kReserved{
    "if", "else", "not", "and", "or", "in", "is", "true", "True", "none", "None", "false", "False"};

/// Bytes beyond ASCII are letters of other alphabets.
bool starts_name(char c) {
  return is_upper(c) || (c >= 'a' && c <= 'z') || c == '_' || (c & 0x80) != 0;
}
bool is_digit(char c) { return c >= '0' && c <= '9'; }

Error wrong(const std::string& found, std::string_view expected) {
  return {ErrorCode::InvalidArgument, fmt::format("{}, expected {}", found, expected)};
}

std::string names_of(const Json& object) {
  std::string names;
  for (const auto& [name, value] : object.items()) names += (names.empty() ? "" : ", ") + name;
  return one_line(names, 200);
}

Json member(const Json& value, const std::string& name) {
  if (!value.is_object()) {
    throw wrong(fmt::format("'{}' of {}", name, kind_of(value)), "an object that has it");
  }
  const auto found = value.find(name);
  if (found == value.end()) {
    throw wrong(fmt::format("has no field '{}'", name), fmt::format("one of {}", names_of(value)));
  }
  return *found;
}

Json item(const Json& value, const Json& key) {
  if (key.is_string()) return member(value, key.get<std::string>());
  if (!key.is_number_integer() || !value.is_array()) {
    throw wrong(fmt::format("[{}] of {}", kind_of(key), kind_of(value)), "a number of a list");
  }
  const auto n = static_cast<std::int64_t>(value.size());
  const bool fits = key >= -n && key < n;
  if (!fits) {
    throw wrong(fmt::format("[{}] of a list of {}", key.dump(), n), "an index inside it");
  }
  const auto i = key.get<std::int64_t>();
  return value[static_cast<std::size_t>(i < 0 ? i + n : i)];  // negative ones count from the end
}

bool is_summand(const Json& value) {
  return value.is_number_integer() && value >= -kMostSummand && value <= kMostSummand;
}

Json sum(const Json& x, const Json& y) {
  if (x.is_string() && y.is_string()) return x.get<std::string>() + y.get<std::string>();
  if (is_summand(x) && is_summand(y)) return x.get<std::int64_t>() + y.get<std::int64_t>();
  if (x.is_array() && y.is_array()) {
    Json both = x;
    both.insert(both.end(), y.begin(), y.end());
    return both;
  }
  throw wrong(fmt::format("{} + {}", kind_of(x), kind_of(y)),
              "two texts, two whole numbers or two lists");
}

Json difference(const Json& x, const Json& y) {
  if (is_summand(x) && is_summand(y)) return x.get<std::int64_t>() - y.get<std::int64_t>();
  throw wrong(fmt::format("{} - {}", kind_of(x), kind_of(y)), "two whole numbers");
}

Json evaluated(const std::vector<Expression>& parts, const Json& row) {
  Json values = Json::array();
  for (const Expression& part : parts) values.push_back(part(row));
  return values;
}

/// Recursive descent; each method leaves `at_` behind what it read.
class Parser {
 public:
  Parser(std::string_view text, std::size_t at) : text_(text), at_(at) {}

  [[nodiscard]] std::size_t at() const { return at_; }

  Expression expression() {
    if (++depth_ > kMostDepth) throw unsupported();
    Expression left = operand();
    while (sees('+') || (sees('-') && !text_.substr(at_).starts_with("-}}"))) {
      count_step();
      const auto combined = text_[at_++] == '+' ? sum : difference;
      left = [combined, left = std::move(left), right = operand()](const Json& row) {
        return combined(left(row), right(row));
      };
    }
    --depth_;
    return left;
  }

 private:
  [[nodiscard]] Error unsupported() const {
    if (at_ >= text_.size()) {
      return {ErrorCode::InvalidArgument, "has a place without its end, expected }}; close it"};
    }
    return {ErrorCode::Unsupported,
            fmt::format(
                "has '{}' in a place; supported are fields, texts, whole numbers, lists, + and -, "
                "and some methods and filters",
                one_line(text_.substr(at_), 30))};
  }

  void count_step() {
    if (++steps_ > kMostSteps) throw unsupported();
  }
  void skip_blanks() {
    while (at_ < text_.size() && is_space(text_[at_])) ++at_;
  }
  [[nodiscard]] bool sees(char c) {
    skip_blanks();
    return at_ < text_.size() && text_[at_] == c;
  }
  bool accept(char c) {
    if (!sees(c)) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!accept(c)) throw unsupported();
  }

  std::string name() {
    skip_blanks();
    const std::size_t begin = at_;
    if (at_ < text_.size() && starts_name(text_[at_])) {
      while (at_ < text_.size() && (starts_name(text_[at_]) || is_digit(text_[at_]))) ++at_;
    }
    std::string result(text_.substr(begin, at_ - begin));
    if (!result.empty() && std::ranges::find(kReserved, result) == kReserved.end()) return result;
    at_ = begin;
    throw unsupported();
  }

  char escaped() {
    constexpr std::string_view kLetters = "nt\\'\"";
    constexpr std::string_view kMeanings = "\n\t\\'\"";
    const auto found = at_ < text_.size() ? kLetters.find(text_[at_]) : std::string_view::npos;
    if (found == std::string_view::npos) throw unsupported();
    ++at_;
    return kMeanings[found];
  }

  std::string string(char quote) {
    std::string result;
    while (at_ < text_.size() && text_[at_] != quote) {
      const char c = text_[at_++];
      result += c == '\\' ? escaped() : c;
    }
    if (at_ == text_.size()) throw unsupported();
    ++at_;
    return result;
  }

  std::int64_t number() {
    std::int64_t result = 0;
    const auto [end, failed] =
        std::from_chars(text_.data() + at_, text_.data() + text_.size(), result);
    if (failed != std::errc()) throw unsupported();
    at_ = static_cast<std::size_t>(end - text_.data());
    if (at_ + 1 < text_.size() && text_[at_] == '.' && is_digit(text_[at_ + 1]))
      throw unsupported();
    return result;
  }

  std::vector<Expression> list(char end) {
    std::vector<Expression> parts;
    while (!accept(end)) {
      if (!parts.empty()) expect(',');
      if (!parts.empty() && accept(end)) break;  // a comma at the end
      parts.push_back(expression());
    }
    return parts;
  }

  Expression primary() {
    skip_blanks();
    if (at_ == text_.size()) throw unsupported();
    const char c = text_[at_];
    if (c == '\'' || c == '"') {
      ++at_;
      return [value = string(c)](const Json&) { return Json(value); };
    }
    if (is_digit(c) || c == '-') {
      return [value = number()](const Json&) { return Json(value); };
    }
    if (accept('[')) {
      return [parts = list(']')](const Json& row) { return evaluated(parts, row); };
    }
    if (accept('(')) {
      Expression inner = expression();
      expect(')');
      return inner;
    }
    Expression field = [field_name = name()](const Json& row) { return member(row, field_name); };
    if (sees('(')) throw unsupported();  // a function
    return field;
  }

  Expression call(Expression self, const std::string& called, bool is_filter) {
    std::vector<Expression> args;
    if (accept('(')) args = list(')');
    const TemplateFunction& function = find_function(called, is_filter, args.size());
    return [self = std::move(self), args = std::move(args), &function](const Json& row) {
      const auto values = evaluated(args, row).get<std::vector<Json>>();
      return function.call(self(row), values);
    };
  }

  Expression after_dot(Expression self) {
    std::string called = name();
    if (sees('(')) return call(std::move(self), called, /*is_filter=*/false);
    return [self = std::move(self), called](const Json& row) { return member(self(row), called); };
  }

  /// What binds tighter than +: members, items, methods and filters.
  Expression operand() {
    Expression self = primary();
    while (true) {
      count_step();
      if (accept('.')) {
        self = after_dot(std::move(self));
      } else if (accept('[')) {
        self = [self = std::move(self), key = expression()](const Json& row) {
          return item(self(row), key(row));
        };
        expect(']');
      } else if (accept('|')) {
        const std::string called = name();
        self = call(std::move(self), called, /*is_filter=*/true);
      } else {
        skip_blanks();
        return self;
      }
    }
  }

  std::string_view text_;
  std::size_t at_;
  int depth_ = 0;
  int steps_ = 0;
};

}  // namespace

Expression parse_expression(std::string_view text, std::size_t& at) {
  Parser parser(text, at);
  Expression expression = parser.expression();
  at = parser.at();
  return expression;
}

}  // namespace crayon
