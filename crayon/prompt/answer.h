// A question with choices as a larger LLM is asked it (lettered), and its reply read back.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "crayon/prompt/example.h"

namespace crayon {

/// Chat messages that ask for the letter of the right choice ("A", "B", ... "Z", at most 26).
/// @throws Error InvalidArgument  no choices or more than 26
[[nodiscard]] std::vector<ChatMessage> lettered_question(const Example& example);

/// The index that a reply means: its letter first ("B", "(B)", "B. text", "The answer is B"), then
/// the text of a choice, ignoring case and punctuation. Nothing when neither is found, or when
/// several choices are meant.
[[nodiscard]] std::optional<int> parse_choice(std::string_view reply,
                                              const std::vector<std::string>& choices);

/// Lower case, no punctuation, no articles, single blanks: for exact match of free text.
[[nodiscard]] std::string normalize_answer(std::string_view text);

}  // namespace crayon
