// What a request's texts may do: be sent, be sent with private data hidden, stay, or not be
// answered at all. Never sees a socket; whoever opens one asks here first, and again at the last
// moment.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "crayon/router/private_data.h"

namespace crayon {

/// From mild to strict; of several that apply the strictest holds.
enum class Rule {
  Send,
  Redact,  ///< May leave once what was found is hidden.
  Local,   ///< Stays: the device answers.
  Block,   ///< Nobody answers.
};
[[nodiscard]] std::string_view to_string(Rule rule);
/// "send", "redact", "local" or "block". @throws Error InvalidArgument
[[nodiscard]] Rule parse_rule(std::string_view text);

/// A pattern of the user's own (RE2's syntax), looked for in every text.
struct PatternRule {
  Rule rule = Rule::Local;
  std::string pattern;
};
/// "local:PATTERN", "redact:PATTERN" or "block:PATTERN". @throws Error InvalidArgument
[[nodiscard]] PatternRule parse_pattern_rule(std::string_view text);

struct PolicyOptions {
  /// For each of kPrivateKinds.
  std::array<Rule, kPrivateKinds.size()> kinds{Rule::Local, Rule::Local, Rule::Local,
                                               Rule::Local, Rule::Local, Rule::Local};
  /// Prompts by which chat clients have titles, tags and the next questions written, unasked.
  Rule background = Rule::Local;
  std::vector<PatternRule> patterns{};
  std::size_t most_bytes = 4u << 20;  ///< Of all texts together: more stay unread.
};

/// A part of a text to be hidden.
struct HiddenPart {
  std::size_t text = 0;  ///< Index of the text.
  std::size_t begin = 0;
  std::size_t end = 0;
  std::string label{};  ///< "EMAIL": what stands in its place.
};

/// Without a check nothing leaves: what is made and not filled in says Local.
struct Verdict {
  Rule rule = Rule::Local;
  std::string reason = "not checked";   ///< "private: e-mail"; "" for Send. Never text of a user.
  std::vector<HiddenPart> hidden = {};  ///< For Redact: at least one.
};

/// A check of all texts of one request. Implementations may be used from several threads.
class TextCheck {
 public:
  TextCheck() = default;
  TextCheck(const TextCheck&) = delete;
  TextCheck& operator=(const TextCheck&) = delete;
  virtual ~TextCheck() = default;
  /// Whatever it throws counts as Local.
  [[nodiscard]] virtual Verdict check(std::span<const std::string_view> texts) const = 0;
};

/// The detectors, background prompts and patterns by these options. Linear in the texts' length.
/// @throws Error InvalidArgument  a pattern that does not compile (which, and why), or that matches
///                                the empty text
[[nodiscard]] std::unique_ptr<TextCheck> make_text_check(const PolicyOptions& options);

/// Is it one of the prompts that chat clients send unasked (a title, tags, follow-up questions, a
/// search query for the conversation)? By the shapes that such clients use; ours may miss new ones.
[[nodiscard]] bool is_background_prompt(std::string_view text);

}  // namespace crayon
