// Prompts that chat clients send unasked. Open WebUI opens all of its with one heading and wraps
// the conversation in a tag; LibreChat, n8n, LobeChat and others ask in one sentence for a title of
// "this conversation".
#include "crayon/base/text.h"
#include "crayon/router/internal/expression.h"
#include "crayon/router/policy.h"

namespace crayon {
namespace {

constexpr std::size_t kLookedAt = 6000;  // bytes at each end: an instruction stands first or last

bool holds(const Expression& expression, std::string_view text) {
  bool found = false;
  expression.each(text, [&](const auto&) { return found = true; });
  return found;
}

bool asks_in_background(std::string_view text) {
  static const Expression kHeading(
      R"((?is)^\s*### Task:.*(?:### (?:Guidelines|Output|Examples)\b|<chat_history>))");
  static const Expression kSentence(
      R"((?i)\b(?:write|generate|create|provide|suggest|give|produce|make|come up with|summari[sz]e)\b)"
      R"([^.\n]{0,80}\b(?:title|name|tags?|follow[- ]?ups?|emojis?|search quer(?:y|ies)|topic)\b)"
      R"([^.\n]{0,80}\b(?:this|the|our|following|above|a)\b(?: \w+)? )"
      R"((?:conversation|chat|dialog(?:ue)?|discussion|chat history|message history)\b)");
  static const Expression kTurned(
      R"((?i)\b(?:this|the|our|following|above) (?:\w+ )?(?:conversation|chat|dialog(?:ue)?|chat history)\b)"
      R"([^.\n]{0,60}\b(?:into|as|in|to) (?:a |an )?(?:\w+[ ,-]+){0,6}(?:title|name|tags)\b)"
      R"(|(?i)\b(?:give|assign) (?:this|the|our) (?:conversation|chat)\b[^.\n]{0,40}\b(?:title|name|tags?)\b)");
  return holds(kHeading, text) || holds(kSentence, text) || holds(kTurned, text);
}

}  // namespace

bool is_background_prompt(std::string_view text) {
  if (text.size() <= 2 * kLookedAt) return asks_in_background(text);
  return asks_in_background(text.substr(0, kLookedAt)) ||
         asks_in_background(text.substr(text.size() - kLookedAt));
}

}  // namespace crayon
