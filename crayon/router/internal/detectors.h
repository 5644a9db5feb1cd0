// The detectors behind find_private(), each over the whole of a plain text.
#pragma once

#include <string_view>
#include <vector>

#include "crayon/router/private_data.h"

namespace crayon {

void find_emails(std::string_view text, std::vector<PrivateData>& found);
void find_phones(std::string_view text, std::vector<PrivateData>& found);
void find_cards(std::string_view text, std::vector<PrivateData>& found);
void find_ibans(std::string_view text, std::vector<PrivateData>& found);
void find_ips(std::string_view text, std::vector<PrivateData>& found);
void find_secrets(std::string_view text, std::vector<PrivateData>& found);

namespace detect {

constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
constexpr bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
constexpr bool is_alnum(char c) { return is_digit(c) || is_letter(c); }

/// The bytes before and behind a part of `text`; '\0' at the ends.
struct Around {
  Around(std::string_view text, std::string_view part) {
    const auto begin = static_cast<std::size_t>(part.data() - text.data());
    const auto end = begin + part.size();
    before = text.substr(0, begin);
    behind = text.substr(end);
  }
  [[nodiscard]] char last() const { return before.empty() ? '\0' : before.back(); }
  [[nodiscard]] char next() const { return behind.empty() ? '\0' : behind.front(); }
  [[nodiscard]] char after_next() const { return behind.size() < 2 ? '\0' : behind[1]; }

  std::string_view before;
  std::string_view behind;
};

/// Does a number stand alone: no letter or digit touches it, and none of `joins` with a digit
/// behind it (".5") goes on with it?
[[nodiscard]] bool stands_alone(std::string_view text, std::string_view part,
                                std::string_view joins = ".,");

[[nodiscard]] std::size_t count_digits(std::string_view text);

/// Adds the part of `text`.
inline void add(std::vector<PrivateData>& found, PrivateKind kind, std::string_view text,
                std::string_view part) {
  const auto begin = static_cast<std::size_t>(part.data() - text.data());
  found.push_back({kind, begin, begin + part.size()});
}

}  // namespace detect
}  // namespace crayon
