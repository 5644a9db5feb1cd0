// Payment cards, IBANs and IP addresses.
#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>

#include "crayon/base/text.h"
#include "crayon/router/internal/detectors.h"
#include "crayon/router/internal/expression.h"

namespace crayon {

using detect::Around;
using detect::is_alnum;
using detect::is_digit;

namespace {

std::string only_digits(std::string_view text) {
  std::string digits;
  std::ranges::copy_if(text, std::back_inserter(digits), is_digit);
  return digits;
}

// Luhn's checksum (ISO/IEC 7812-1).
bool luhn(std::string_view digits) {
  int sum = 0;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    int value = digits[digits.size() - 1 - i] - '0';
    if (i % 2 == 1) value = value * 2 > 9 ? value * 2 - 9 : value * 2;
    sum += value;
  }
  return sum % 10 == 0;
}

/// Issuers by the first four digits, and how long their numbers are.
struct Issuer {
  int first;
  int last;
  std::size_t least;
  std::size_t most;
};
constexpr std::array<Issuer, 11> kIssuers = {{{2221, 2720, 16, 16},
                                              {3000, 3059, 14, 19},
                                              {3400, 3499, 15, 15},
                                              {3528, 3589, 16, 19},
                                              {3600, 3699, 14, 19},
                                              {3700, 3799, 15, 15},
                                              {3800, 3999, 14, 19},
                                              {4000, 4999, 13, 19},
                                              {5000, 5099, 12, 19},
                                              {5100, 5599, 16, 16},
                                              {5600, 6999, 12, 19}}};

bool has_issuer(std::string_view digits) {
  const int start = std::stoi(std::string(digits.substr(0, 4)));
  return std::ranges::any_of(kIssuers, [&](const Issuer& issuer) {
    return start >= issuer.first && start <= issuer.last && digits.size() >= issuer.least &&
           digits.size() <= issuer.most;
  });
}

/// Cards are written in one piece or in groups of 3 to 7 digits; single digits in a row are a list.
bool grouped_as_card(std::string_view text) {
  std::size_t group = 0;
  std::size_t groups = 0;
  for (std::size_t i = 0; i <= text.size(); ++i) {
    if (i < text.size() && is_digit(text[i])) {
      ++group;
      continue;
    }
    ++groups;
    if (i < text.size() && (group < 3 || group > 7)) return false;
    group = 0;
  }
  return groups <= 6;
}

struct IbanCountry {
  std::string_view code;
  std::size_t length;
};
/// ISO 13616's registry.
constexpr std::array<IbanCountry, 89> kIbanCountries = {{
    {"AD", 24}, {"AE", 23}, {"AL", 28}, {"AT", 20}, {"AZ", 28}, {"BA", 20}, {"BE", 16}, {"BG", 22},
    {"BH", 22}, {"BI", 27}, {"BR", 29}, {"BY", 28}, {"CH", 21}, {"CR", 22}, {"CY", 28}, {"CZ", 24},
    {"DE", 22}, {"DJ", 27}, {"DK", 18}, {"DO", 28}, {"EE", 20}, {"EG", 29}, {"ES", 24}, {"FI", 18},
    {"FK", 18}, {"FO", 18}, {"FR", 27}, {"GB", 22}, {"GE", 22}, {"GI", 23}, {"GL", 18}, {"GR", 27},
    {"GT", 28}, {"HN", 28}, {"HR", 21}, {"HU", 28}, {"IE", 22}, {"IL", 23}, {"IQ", 23}, {"IS", 26},
    {"IT", 27}, {"JO", 30}, {"KW", 30}, {"KZ", 20}, {"LB", 28}, {"LC", 32}, {"LI", 21}, {"LT", 20},
    {"LU", 20}, {"LV", 21}, {"LY", 25}, {"MC", 27}, {"MD", 24}, {"ME", 22}, {"MK", 19}, {"MN", 20},
    {"MR", 27}, {"MT", 31}, {"MU", 30}, {"NI", 28}, {"NL", 18}, {"NO", 15}, {"OM", 23}, {"PK", 24},
    {"PL", 28}, {"PS", 29}, {"PT", 25}, {"QA", 29}, {"RO", 24}, {"RS", 22}, {"RU", 33}, {"SA", 24},
    {"SC", 31}, {"SD", 18}, {"SE", 24}, {"SI", 19}, {"SK", 24}, {"SM", 27}, {"SO", 23}, {"ST", 25},
    {"SV", 28}, {"TL", 23}, {"TN", 24}, {"TR", 26}, {"UA", 29}, {"VA", 22}, {"VG", 24}, {"XK", 20},
    {"YE", 30},
}};

// ISO 7064, mod 97-10: the first four characters behind the others, letters as 10 to 35.
bool mod_97(std::string_view iban) {
  std::string turned(iban.substr(4));
  turned += iban.substr(0, 4);
  int rest = 0;
  for (const char c : turned) {
    rest = is_digit(c) ? (rest * 10 + (c - '0')) % 97 : (rest * 100 + (lowered(c) - 'a' + 10)) % 97;
  }
  return rest == 1;
}

std::size_t iban_length(std::string_view code) {
  const std::string upper = {code[0] >= 'a' ? static_cast<char>(code[0] - 32) : code[0],
                             code[1] >= 'a' ? static_cast<char>(code[1] - 32) : code[1]};
  const auto found = std::ranges::find(kIbanCountries, upper, &IbanCountry::code);
  return found == kIbanCountries.end() ? 0 : found->length;
}

/// The part of `text` that begins with an IBAN of so many characters, single blanks and hyphens
/// between them; empty when there are fewer, or more.
std::string_view iban_at(std::string_view text, std::size_t length, std::string& iban) {
  iban.clear();
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (is_alnum(text[i])) {
      iban += text[i];
    } else if ((text[i] != ' ' && text[i] != '-') || i + 1 == text.size() ||
               !is_alnum(text[i + 1])) {
      break;
    }
    if (iban.size() < length) continue;
    const bool ends = i + 1 == text.size() || !is_alnum(text[i + 1]);
    return ends ? text.substr(0, i + 1) : std::string_view();
  }
  return {};
}

bool is_ipv4(std::string_view text, const Around& around) {
  std::array<unsigned char, 4> bytes{};
  if (::inet_pton(AF_INET, std::string(text).c_str(), bytes.data()) != 1) return false;
  if (bytes[0] == 127 || bytes[0] == 0 || bytes == decltype(bytes){255, 255, 255, 255})
    return false;
  const auto near = lowered(
      around.before.substr(around.before.size() - std::min<std::size_t>(around.before.size(), 10)));
  return !near.ends_with("version ") && !near.ends_with("release ") && !near.ends_with("section ");
}

bool is_ipv6(std::string_view text) {
  std::array<unsigned char, 16> bytes{};
  if (::inet_pton(AF_INET6, std::string(text).c_str(), bytes.data()) != 1) return false;
  const auto used = std::ranges::count_if(bytes, [](unsigned char b) { return b != 0; });
  // "::", "::1", and names of C++ such as "bad::cafe", which no digit marks as numbers
  return used > 1 && std::ranges::any_of(text, is_digit) && std::ranges::count(text, ':') >= 2;
}

}  // namespace

void find_cards(std::string_view text, std::vector<PrivateData>& found) {
  static const Expression kDigits(R"(\d(?:[ \-]?\d){11,18})");
  kDigits.each(text, [&](const auto& match) {
    const std::string digits = only_digits(match[0]);
    if (!detect::stands_alone(text, match[0]) || !grouped_as_card(match[0])) return false;
    if (!has_issuer(digits) || !luhn(digits)) return false;
    detect::add(found, PrivateKind::Card, text, match[0]);
    return true;
  });
}

void find_ibans(std::string_view text, std::vector<PrivateData>& found) {
  static const Expression kStart(R"(\b[A-Za-z]{2}\d{2}[ \-]?[A-Za-z0-9])");
  std::string iban;
  kStart.each(text, [&](const auto& match) {
    const std::size_t length = iban_length(match[0]);
    if (length == 0) return false;
    const auto begin = static_cast<std::size_t>(match[0].data() - text.data());
    const std::string_view part = iban_at(text.substr(begin), length, iban);
    if (part.empty() || !mod_97(iban)) return false;
    detect::add(found, PrivateKind::Iban, text, part);
    return true;
  });
}

void find_ips(std::string_view text, std::vector<PrivateData>& found) {
  static const Expression kFour(R"(\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3})");
  kFour.each(text, [&](const auto& match) {
    const Around around(text, match[0]);
    if (!detect::stands_alone(text, match[0], ".") || !is_ipv4(match[0], around)) return false;
    detect::add(found, PrivateKind::Ip, text, match[0]);
    return true;
  });
  static const Expression kSix(R"([0-9A-Fa-f:]*:[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*[0-9A-Fa-f])");
  kSix.each(text, [&](const auto& match) {
    const Around around(text, match[0]);
    if (is_alnum(around.last()) || is_alnum(around.next()) || around.next() == ':') return true;
    if (is_ipv6(match[0])) detect::add(found, PrivateKind::Ip, text, match[0]);
    return true;
  });
}

}  // namespace crayon
