// Examples to text: the one definition of the prompt that trainer, engine and benchmark share.
// A format belongs to a pool (`prompt` in pool.json) and is copied into each task.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "crayon/prompt/example.h"

namespace crayon {

enum class PromptStyle { Plain, Chat };

struct PromptFormat {
  int version = 1;
  PromptStyle style = PromptStyle::Plain;
  std::string system = {};  ///< System text; used in style Chat only.
  /// Texts with the places {context} and {question}; the first for examples with a context.
  std::string with_context = "{context}\nQuestion: {question}\nAnswer:";
  std::string without_context = "Question: {question}\nAnswer:";
  std::string choice_prefix = " ";  ///< Before each choice and completion; not in a chat's turn.
  friend bool operator==(const PromptFormat&, const PromptFormat&) = default;
};

/// @throws Error InvalidArgument  unknown version, a template without {question} or, in
///                                with_context, without {context}
void check_format(const PromptFormat& format);

/// What turns chat messages into text: the model's own template, handed in by the engine.
using ChatTemplate = std::function<std::string(const std::vector<ChatMessage>&)>;
/// Text to token ids as the engine does for a prompt (with the model's BOS if it wants one).
using Tokenize = std::function<std::vector<int>(std::string_view)>;

struct RenderedPrompt {
  std::string text;                  ///< What the model reads before the answer.
  std::vector<std::string> choices;  ///< Each with the format's prefix; empty for free text.
  std::size_t passage_begin = 0;     ///< Where in `text` the passage stands that may be cut,
  std::size_t passage_end = 0;       ///< in bytes; both 0 when there is none.
  std::optional<std::string> completion = {};  ///< The known answer of free text, with the prefix.
};

/// @param chat_template  needed in style Chat and for ExampleKind::Messages
/// @throws Error Unsupported  a template is needed and none is given
[[nodiscard]] RenderedPrompt render(const PromptFormat& format, const Example& example,
                                    const ChatTemplate& chat_template = {});

/// A prompt and its choices as tokens: `prefix` is shared by all choices, each branch follows it.
struct TokenizedChoices {
  std::vector<int> prefix;                 ///< At least one token.
  std::vector<std::vector<int>> branches;  ///< The rest of tokens(prompt + choice), one a choice.
  std::vector<std::size_t> unscored;  ///< How many first tokens of a branch belong to the prompt.
  std::size_t cut_tokens = 0;         ///< Tokens of the passage that were cut to fit.
};

/// The tokens of a choice are tokens(prompt + choice) after their common prefix with
/// tokens(prompt); every choice has at least one. A prompt without choices gives only a prefix.
/// Too long for `max_tokens` (prefix + longest branch): the passage is cut from the left.
/// @throws Error InvalidArgument  still too long, with both numbers
[[nodiscard]] TokenizedChoices tokenize_choices(const RenderedPrompt& prompt,
                                                const Tokenize& tokenize, std::size_t max_tokens);

}  // namespace crayon
