// A question with choices as a larger LLM is asked it (lettered), and its reply read back.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
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

/// What a server's most likely first tokens say of n lettered choices: for each the log of the
/// summed probabilities of its letter's spellings ("B", " B", "(B"). A letter that is not among
/// them gets the least log-prob that is: it can't be likelier. Empty when no letter is among them.
[[nodiscard]] std::vector<double> letter_log_probs(
    std::span<const std::pair<std::string, double>> tokens, std::size_t n);

/// Lower case, no punctuation, no articles, single blanks: for exact match of free text.
[[nodiscard]] std::string normalize_answer(std::string_view text);

}  // namespace crayon
