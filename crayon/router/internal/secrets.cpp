// Keys and passwords: private keys, the keys of services that give theirs a shape, passwords in
// URLs, and what a word such as "password" or "token" says is one.
#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "crayon/base/text.h"
#include "crayon/router/internal/detectors.h"
#include "crayon/router/internal/expression.h"

namespace crayon {

using detect::is_digit;

namespace {

/// Shapes that nothing else has.
const Expression& shapes() {
  static const Expression kShapes(
      R"(\b(?:AKIA|ASIA|AROA|ABIA)[0-9A-Z]{16}\b)"                             // Amazon
      R"(|\bgh[pousr]_[A-Za-z0-9]{36,}|\bgithub_pat_[A-Za-z0-9_]{22,})"        // GitHub
      R"(|\bgl(?:pat|dt|rt|ptt)-[A-Za-z0-9_\-]{20,})"                          // GitLab
      R"(|\bsk-(?:[a-z]+[0-9]*-)*[A-Za-z0-9_\-]{20,})"                         // model providers
      R"(|\bxox[abeoprs]-[A-Za-z0-9\-]{10,}|\bxapp-[0-9]-[A-Za-z0-9\-]{10,})"  // Slack
      R"(|hooks\.slack\.com/services/[A-Za-z0-9/]{20,})"
      R"(|\bAIza[0-9A-Za-z_\-]{35}|\bya29\.[0-9A-Za-z_\-]{20,}|\bGOCSPX-[0-9A-Za-z_\-]{20,})"  // Google
      R"(|\b[rs]k_(?:live|test)_[0-9A-Za-z]{16,}|\bwhsec_[0-9A-Za-z+/=]{20,})"  // Stripe
      R"(|\beyJ[A-Za-z0-9_\-]{8,}\.eyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{8,})"  // JSON web tokens
      R"(|\bhf_[A-Za-z0-9]{30,}|\bnpm_[A-Za-z0-9]{36}|\bpypi-[A-Za-z0-9_\-]{32,})"  // registries
      R"(|\bSG\.[A-Za-z0-9_\-]{16,}\.[A-Za-z0-9_\-]{16,}|\bkey-[0-9a-f]{32}\b)"     // mail services
      R"(|\bdop_v1_[a-f0-9]{64}|\bSK[0-9a-f]{32}\b|\bshp(?:at|ca|pa|ss)_[a-fA-F0-9]{32})"
      R"(|\b[0-9]{8,10}:[A-Za-z0-9_\-]{35}\b)"  // Telegram's bots
      R"(|\bAGE-SECRET-KEY-1[0-9A-Z]{50,})");
  return kShapes;
}

/// Bits a character of the text's own letters (Shannon 1948).
double entropy(std::string_view text) {
  std::map<char, double> counts;
  for (const char c : text) counts[c] += 1;
  double bits = 0;
  for (const auto& [c, n] : counts) {
    const double p = n / static_cast<double>(text.size());
    bits -= p * std::log2(p);
  }
  return bits;
}

/// How many of the kinds lower case, upper case, digits and signs a text has.
int kinds_of_characters(std::string_view text) {
  bool lower = false, upper = false, digit = false, sign = false;
  for (const char c : text) {
    if (is_digit(c)) {
      digit = true;
    } else if (is_upper(c)) {
      upper = true;
    } else if (detect::is_letter(c)) {
      lower = true;
    } else {
      sign = true;
    }
  }
  return lower + upper + digit + sign;
}

/// What stands in examples in place of a secret, or is code that fetches one.
bool is_placeholder(std::string_view value) {
  static constexpr std::array<std::string_view, 16> kParts = {
      "your", "example", "changeme", "placeholder", "xxxx", "****", "....", "<",
      "${",   "{{",      "$(",       "(",           "[",    "null", "none", "redacted"};
  const std::string low = lowered(value);
  const auto holds = [&](std::string_view part) { return low.find(part) != std::string::npos; };
  return std::ranges::any_of(kParts, holds) || low.starts_with('/') || low.starts_with("./") ||
         low.starts_with('$') || low.starts_with('%');
}

/// A name of code ("max_tokens", "user.password", "nextToken") has one or two kinds of characters
/// and no digits; what people choose as a password has digits or signs in it.
bool looks_like_password(std::string_view value) {
  if (value.size() < 4 || is_placeholder(value)) return false;
  const auto digits = detect::count_digits(value);
  if (digits == value.size()) return true;
  if (digits == 0 && value.find_first_of("!@#$%^&*+=~?") == std::string_view::npos) return false;
  return value.size() >= 6 && kinds_of_characters(value) >= 2;
}

/// Long and disorderly: 16 random hexadecimal digits have some 3.3 bits each, words of a language
/// joined by hyphens have no digits.
bool looks_like_key(std::string_view value) {
  if (value.size() < 12 || is_placeholder(value)) return false;
  const bool has_digits = detect::count_digits(value) >= 2;
  return has_digits && entropy(value) >= (value.size() < 20 ? 2.8 : 3.0);
}

/// Where a private key ends whose first line ends at `from`: behind its last line, or, cut off,
/// where what may be a key's lines does. What stands in quotes has line ends of two characters.
/// @param last_line  where the next last line begins; brought up to date
std::size_t key_end(std::string_view text, std::size_t from, std::size_t& last_line) {
  constexpr std::string_view kLastLine = "-----END ";
  constexpr std::string_view kDashes = "-----";
  constexpr std::string_view kOfKeys =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/= \t\r\n\\:,.-()";
  if (last_line < from) last_line = text.find(kLastLine, from);
  if (last_line == std::string_view::npos) {
    return std::min(text.find_first_not_of(kOfKeys, from), text.size());
  }
  const auto dashes = text.find(kDashes, last_line + kLastLine.size());
  return dashes == std::string_view::npos ? text.size() : dashes + kDashes.size();
}

void find_private_keys(std::string_view text, std::vector<PrivateData>& found) {
  static const Expression kFirstLine(R"(-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----)");
  std::size_t last_line = 0;
  kFirstLine.walk(text, [&](const auto& match) {
    const auto begin = static_cast<std::size_t>(match[0].data() - text.data());
    const auto end = key_end(text, begin + match[0].size(), last_line);
    detect::add(found, PrivateKind::Secret, text, text.substr(begin, end - begin));
    return end;
  });
}

bool ends_password(char c) {
  return is_space(c) || c == '"' || c == '\'' || c == '`' || c == ',' || c == ';';
}
bool ends_key(char c) {
  return !detect::is_alnum(c) && std::string_view("+/=_.~-").find(c) == std::string_view::npos;
}

/// What a word names, judged by its first bytes: a look at the whole of what may be long, from each
/// word that is in it, would take time without end.
struct Named {
  const Expression& expression;
  bool (*looks_right)(std::string_view);
  bool (*ends)(char);
};

void find_named(const Named& named, std::string_view text, std::vector<PrivateData>& found) {
  const auto trimmed_value = [](std::string_view value) {
    while (!value.empty() && (value.back() == '.' || value.back() == ')')) value.remove_suffix(1);
    return value;
  };
  named.expression.walk(text, [&](const auto& match) -> std::size_t {
    if (!named.looks_right(trimmed_value(match[1]))) return 0;
    const auto begin = static_cast<std::size_t>(match[1].data() - text.data());
    std::size_t end = begin + match[1].size();
    while (end < text.size() && !named.ends(text[end])) ++end;
    detect::add(found, PrivateKind::Secret, text, trimmed_value(text.substr(begin, end - begin)));
    return end;
  });
}

void find_named(std::string_view text, std::vector<PrivateData>& found) {
  static const Expression kPassword(
      R"((?i)(?:password|passwort|passwd|passphrase|passcode|pwd|contrase\xc3\xb1a|mot de passe)s?\b)"
      R"(["'`]?(?:\s*(?::=|=>|[:=])\s*|\s+(?:is|was|ist|est|es)\s*:?\s*)["'`]?([^\s"'`,;]{4,256}))");
  static const Expression kKey(
      R"((?i)(?:secret|token|api[ _\-]?key|access[ _\-]?key|account[ _\-]?key|private[ _\-]?key|)"
      R"(client[ _\-]?secret|auth|authorization|credentials?|bearer|signature)s?\b)"
      R"(["'`]?(?:\s*(?::=|=>|[:=])\s*|\s+(?:is|was)\s*:?\s*|\s+)["'`]?(?:(?:bearer|basic|token)\s+)?)"
      R"(["'`]?([A-Za-z0-9+/=_.~\-]{12,256}))");
  find_named({kPassword, looks_like_password, ends_password}, text, found);
  find_named({kKey, looks_like_key, ends_key}, text, found);
}

}  // namespace

void find_secrets(std::string_view text, std::vector<PrivateData>& found) {
  find_private_keys(text, found);
  shapes().each(text, [&](const auto& match) {
    detect::add(found, PrivateKind::Secret, text, match[0]);
    return true;
  });
  static const Expression kUrl(R"((?i)\b[a-z][a-z0-9+.\-]*://[^\s/:@]*:([^\s/@]+)@)");
  kUrl.each(text, [&](const auto& match) {
    if (!is_placeholder(match[1])) detect::add(found, PrivateKind::Secret, text, match[1]);
    return true;
  });
  find_named(text, found);
}

}  // namespace crayon
