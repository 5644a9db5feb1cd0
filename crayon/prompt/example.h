// One example or question of a task, in any of the three forms that users have, and texts of chats.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace crayon {

struct ChatMessage {
  std::string role;  ///< "system", "user" or "assistant".
  std::string content;
};

enum class ExampleKind {
  Choices,     ///< question, choices, optional context and answer
  Completion,  ///< prompt, optional completion
  Messages,    ///< messages of a chat; the last one of the assistant, if any, is the answer
};

struct Example {
  ExampleKind kind = ExampleKind::Choices;
  std::string id;    ///< From the file, or "line-N".
  std::string task;  ///< Finer task inside a set, or "".
  std::string question;
  std::string context;               ///< Passage, story or message the question is about, or "".
  std::vector<std::string> choices;  ///< At least two when kind is Choices.
  std::optional<int> answer;         ///< Index into choices, where labels exist.
  std::string prompt;
  std::optional<std::string> completion;
  std::vector<ChatMessage> messages;
};

/// Does it say what the right answer is?
[[nodiscard]] bool has_label(const Example& example);

}  // namespace crayon
