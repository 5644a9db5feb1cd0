// Checked access to the JSON of a report.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "crayon/base/error.h"
#include "crayon/base/text.h"
#include "crayon/bench/result.h"

namespace crayon {

/// An object of the report; borrows the value. Accessors throw CorruptFile with the key's path.
class Fields {
 public:
  Fields(const nlohmann::json& value, const std::string& file, std::string path)
      : value_(value), file_(file), path_(std::move(path)) {
    if (!value.is_object()) throw wrong_value(path_, "an object");
  }

  [[nodiscard]] std::string text(const char* key) const {
    const nlohmann::json& value = need(key, &nlohmann::json::is_string, "a text");
    return value.get<std::string>();
  }
  /// "" where there is none: reports of earlier versions lack some keys.
  [[nodiscard]] std::string text_if_any(const char* key) const {
    return value_.contains(key) ? text(key) : "";
  }
  [[nodiscard]] std::size_t count(const char* key) const {
    return need(key, &nlohmann::json::is_number_unsigned, "a count").get<std::size_t>();
  }
  [[nodiscard]] double number(const char* key) const {
    const double found = need(key, &nlohmann::json::is_number, "a number").get<double>();
    if (!std::isfinite(found)) throw wrong(key, "a finite number");
    return found;
  }
  [[nodiscard]] std::optional<double> number_if_any(const char* key) const {
    if (!value_.contains(key)) return std::nullopt;
    return number(key);
  }
  [[nodiscard]] bool flag(const char* key) const {
    return need(key, &nlohmann::json::is_boolean, "true or false").get<bool>();
  }
  [[nodiscard]] bool flag_or(const char* key, bool otherwise) const {
    return value_.contains(key) ? flag(key) : otherwise;
  }
  [[nodiscard]] Fields object(const char* key) const {
    return {need(key, &nlohmann::json::is_object, "an object"), file_, path_ + key + "."};
  }
  [[nodiscard]] std::vector<Fields> objects(const char* key) const {
    std::vector<Fields> found;
    for (const nlohmann::json& item : list(key)) {
      found.emplace_back(item, file_, fmt::format("{}{}.{}.", path_, key, found.size()));
    }
    return found;
  }
  [[nodiscard]] std::vector<Fields> objects_if_any(const char* key) const {
    return value_.contains(key) ? objects(key) : std::vector<Fields>{};
  }
  [[nodiscard]] std::vector<std::string> texts(const char* key) const {
    std::vector<std::string> found;
    for (const nlohmann::json& item : list(key)) {
      if (!item.is_string()) throw wrong(key, "a list of texts");
      found.push_back(item.get<std::string>());
    }
    return found;
  }
  [[nodiscard]] std::vector<std::uint64_t> counts(const char* key) const {
    std::vector<std::uint64_t> found;
    for (const nlohmann::json& item : list(key)) {
      if (!item.is_number_unsigned()) throw wrong(key, "a list of counts");
      found.push_back(item.get<std::uint64_t>());
    }
    return found;
  }
  [[nodiscard]] std::vector<std::uint64_t> counts_if_any(const char* key) const {
    return value_.contains(key) ? counts(key) : std::vector<std::uint64_t>{};
  }
  /// Indices of choices, `n` of them.
  [[nodiscard]] std::vector<int> choices(const char* key, std::size_t n) const {
    std::vector<int> found = choices_or_none(key, n);
    if (std::ranges::find(found, kNoChoice) != found.end()) throw no_choices(key, n);
    return found;
  }
  /// The same, or kNoChoice.
  [[nodiscard]] std::vector<int> choices_or_none(const char* key, std::size_t n) const {
    std::vector<int> found;
    if (list(key).size() != n) throw no_choices(key, n);
    for (const nlohmann::json& item : list(key)) {
      const bool is_known =
          item.is_number_unsigned() ? item.get<std::uint64_t>() <= 1'000'000 : item == kNoChoice;
      if (!is_known) throw no_choices(key, n);
      found.push_back(item.get<int>());
    }
    return found;
  }
  [[nodiscard]] std::vector<float> numbers(const char* key) const {
    return numbers_of(list(key), key);
  }
  [[nodiscard]] std::vector<std::vector<float>> table(const char* key) const {
    std::vector<std::vector<float>> found;
    for (const nlohmann::json& row : list(key)) found.push_back(numbers_of(row, key));
    return found;
  }
  [[nodiscard]] Error wrong(const char* key, std::string_view expected) const {
    return wrong_value(path_ + key, expected);
  }

 private:
  [[nodiscard]] Error no_choices(const char* key, std::size_t n) const {
    return wrong(key, fmt::format("{} indices of choices", n));
  }
  [[nodiscard]] std::vector<float> numbers_of(const nlohmann::json& row, const char* key) const {
    std::vector<float> found;
    if (!row.is_array()) throw wrong(key, "lists of numbers");
    for (const nlohmann::json& item : row) {
      const auto x = item.is_number() ? item.get<float>() : std::numeric_limits<float>::infinity();
      if (!std::isfinite(x)) throw wrong(key, "finite numbers");
      found.push_back(x);
    }
    return found;
  }
  [[nodiscard]] const nlohmann::json& list(const char* key) const {
    return need(key, &nlohmann::json::is_array, "a list");
  }
  [[nodiscard]] const nlohmann::json& need(const char* key,
                                           bool (nlohmann::json::*is)() const noexcept,
                                           std::string_view expected) const {
    const auto found = value_.find(key);
    if (found == value_.end() || !((*found).*is)()) throw wrong(key, expected);
    return *found;
  }
  [[nodiscard]] Error wrong_value(std::string_view path, std::string_view expected) const {
    return {ErrorCode::CorruptFile,
            fmt::format("{}: '{}' is missing or not what it should be, expected {}; make the "
                        "report again with crayon bench",
                        file_, one_line(path), expected)};
  }

  const nlohmann::json& value_;
  const std::string& file_;
  std::string path_;
};

/// A result's cost, and the index of its machine, from its entries in `results` and `times`.
[[nodiscard]] BenchCost read_cost(const Fields& result, const Fields& times);
[[nodiscard]] std::size_t read_machine(const Fields& times, std::size_t machines);

/// `times` is not as long as `results`. @param all  the whole report
[[nodiscard]] Error wrong_times(const Fields& all, std::size_t results);

}  // namespace crayon
