#include "crayon/router/policy.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "crayon/base/error.h"
#include "crayon/base/text.h"
#include "crayon/router/internal/plain_text.h"
#include "re2/re2.h"

namespace crayon {
namespace {

constexpr std::array<std::string_view, 4> kRules = {"send", "redact", "local", "block"};
constexpr std::array<std::string_view, kPrivateKinds.size()> kLabels = {"EMAIL", "PHONE", "CARD",
                                                                        "IBAN",  "IP",    "SECRET"};

struct Pattern {
  Rule rule;
  std::unique_ptr<RE2> regex;
};

std::unique_ptr<RE2> compiled(const std::string& pattern, std::size_t number) {
  RE2::Options options;
  options.set_log_errors(false);
  auto regex = std::make_unique<RE2>(pattern, options);
  if (!regex->ok()) {
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("policy: pattern {} '{}' is no regular expression: {}; expected RE2's "
                            "syntax (github.com/google/re2/wiki/Syntax)",
                            number, one_line(pattern, 80), regex->error()));
  }
  if (RE2::FullMatch("", *regex)) {
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("policy: pattern {} '{}' matches the empty text, so it would match "
                            "everywhere; expected one that needs a character",
                            number, one_line(pattern, 80)));
  }
  return regex;
}

/// RE2 sees characters: what is no UTF-8 (RFC 3629: nothing longer than it need be, no surrogates,
/// nothing beyond U+10FFFF) could hide from a pattern.
bool is_utf8(std::string_view text) {
  const auto byte = [&](std::size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u;
  };
  for (std::size_t i = 0; i < text.size();) {
    const unsigned lead = byte(i);
    const std::size_t length = lead < 0x80                    ? 1
                               : lead >= 0xC2 && lead <= 0xDF ? 2
                               : lead >= 0xE0 && lead <= 0xEF ? 3
                               : lead >= 0xF0 && lead <= 0xF4 ? 4
                                                              : 0;
    if (length == 0) return false;
    for (std::size_t k = 1; k < length; ++k) {
      if ((byte(i + k) & 0xC0u) != 0x80u) return false;
    }
    const unsigned second = byte(i + 1);
    if ((lead == 0xE0 && second < 0xA0) || (lead == 0xED && second > 0x9F) ||
        (lead == 0xF0 && second < 0x90) || (lead == 0xF4 && second > 0x8F)) {
      return false;
    }
    i += length;
  }
  return true;
}

class PrivacyCheck : public TextCheck {
 public:
  explicit PrivacyCheck(const PolicyOptions& options) : options_(options) {
    for (const PatternRule& rule : options.patterns) {
      patterns_.push_back({rule.rule, compiled(rule.pattern, patterns_.size() + 1)});
    }
  }

  [[nodiscard]] Verdict check(std::span<const std::string_view> texts) const override {
    Verdict verdict{.rule = Rule::Send, .reason = {}};
    std::size_t bytes = 0;
    for (const std::string_view text : texts) bytes += text.size();
    if (bytes > options_.most_bytes) return {.rule = Rule::Local, .reason = "too long to check"};
    for (std::size_t i = 0; i < texts.size(); ++i) {
      look_for_patterns(texts[i], i, verdict);
      look_for_kinds(texts[i], i, verdict);
    }
    if (!texts.empty() &&
        (is_background_prompt(texts.front()) || is_background_prompt(texts.back()))) {
      raise(verdict, options_.background, "background prompt");
    }
    return verdict;
  }

 private:
  /// The strictest rule holds, and its first reason.
  static void raise(Verdict& verdict, Rule rule, std::string_view reason) {
    if (rule <= verdict.rule) return;
    verdict.rule = rule;
    verdict.reason = reason;
  }

  void look_for_kinds(std::string_view text, std::size_t index, Verdict& verdict) const {
    for (const PrivateData& data : find_private(text)) {
      const auto kind = static_cast<std::size_t>(data.kind);
      const Rule rule = options_.kinds[kind];
      raise(verdict, rule, fmt::format("private: {}", to_string(data.kind)));
      if (rule != Rule::Redact) continue;
      verdict.hidden.push_back({index, data.begin, data.end, std::string(kLabels[kind])});
    }
  }

  void look_for_patterns(std::string_view text, std::size_t index, Verdict& verdict) const {
    if (patterns_.empty()) return;
    if (!is_utf8(text)) return raise(verdict, Rule::Local, "text is not UTF-8");
    match_patterns(text, verdict, [&](std::size_t begin, std::size_t end) {
      verdict.hidden.push_back({index, begin, end, "HIDDEN"});
    });
    // Once more as its reader sees it: a blank that does not break must not hide two words.
    const PlainText plain(text);
    if (plain.text() == text) return;
    match_patterns(plain.text(), verdict, [&](std::size_t begin, std::size_t end) {
      verdict.hidden.push_back({index, plain.origin(begin), plain.origin(end), "HIDDEN"});
    });
  }

  /// @param hide  gets what is to be hidden, as bytes of `text`
  template <typename Hide>
  void match_patterns(std::string_view text, Verdict& verdict, const Hide& hide) const {
    const re2::StringPiece whole(text.data(), text.size());
    for (std::size_t k = 0; k < patterns_.size(); ++k) {
      const auto& [rule, regex] = patterns_[k];
      re2::StringPiece found;
      for (std::size_t at = 0;
           at <= text.size() && regex->Match(whole, at, text.size(), RE2::UNANCHORED, &found, 1);) {
        raise(verdict, rule, fmt::format("private: pattern {}", k + 1));
        if (rule != Rule::Redact) break;
        const auto begin = static_cast<std::size_t>(found.data() - text.data());
        if (!found.empty()) hide(begin, begin + found.size());
        at = begin + std::max<std::size_t>(found.size(), 1);
      }
    }
  }

  PolicyOptions options_;
  std::vector<Pattern> patterns_;
};

}  // namespace

std::string_view to_string(Rule rule) {
  const auto index = static_cast<std::size_t>(rule);
  return index < kRules.size() ? kRules[index] : "none";
}

Rule parse_rule(std::string_view text) {
  const auto found = std::ranges::find(kRules, text);
  if (found != kRules.end()) return static_cast<Rule>(found - kRules.begin());
  throw Error(
      ErrorCode::InvalidArgument,
      fmt::format("policy: rule '{}'; expected send, redact, local or block", one_line(text, 40)));
}

PatternRule parse_pattern_rule(std::string_view text) {
  const auto colon = text.find(':');
  if (colon == std::string_view::npos || colon + 1 == text.size()) {
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("policy: pattern '{}' has no rule before it; expected "
                            "local:PATTERN, redact:PATTERN or block:PATTERN",
                            one_line(text, 40)));
  }
  return {parse_rule(text.substr(0, colon)), std::string(text.substr(colon + 1))};
}

std::unique_ptr<TextCheck> make_text_check(const PolicyOptions& options) {
  return std::make_unique<PrivacyCheck>(options);
}

}  // namespace crayon
