// The server's side of one request: how a question is put to the larger LLM and its answer read.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "crayon/engine/engine.h"
#include "crayon/prompt/example.h"
#include "crayon/remote/remote.h"
#include "crayon/session/door.h"

namespace crayon {

struct ServerAnswer {
  std::string text;             ///< The chosen choice's text, or the free answer.
  std::optional<int> choice;    ///< None when the reply could not be read, or without choices.
  std::vector<double> letters;  ///< As letter_log_probs(), where the server gives log-probs.
  int prompt_tokens = 0;
  int completion_tokens = 0;
  std::int64_t money = 0;  ///< See kMoneyUnit.
};

/// Asks for the letter of a choice (temperature 0, at most 16 tokens) and reads the reply; a reply
/// that names no choice is read by the log-probs of its first token's letters, where there are
/// some.
/// @throws Error InvalidArgument  more than 26 choices, or the server refuses; Unavailable; Kept
[[nodiscard]] ServerAnswer ask_choice(ServerDoor& door, const Example& question,
                                      const RequestMarks& marks = {});

/// Asks in free words, as long and with the same stops as the device would answer; blank lines
/// before the answer do not stop it.
/// @param on_text  gets the answer as it comes; may be empty
[[nodiscard]] ServerAnswer ask_text(ServerDoor& door, const Example& question,
                                    const GenerateOptions& how, const RequestMarks& marks = {},
                                    const OnText& on_text = {});

/// The messages of a chat that stand before its answer; a prompt becomes one of the user.
[[nodiscard]] std::vector<ChatMessage> chat_of(const Example& question);

}  // namespace crayon
