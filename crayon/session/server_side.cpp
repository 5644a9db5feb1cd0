#include "crayon/session/server_side.h"

#include <algorithm>
#include <string_view>

#include "crayon/prompt/answer.h"

namespace crayon {
namespace {

constexpr int kChoiceTokens = 16;
constexpr int kTopLogProbs = 20;  // the most that the API allows

/// Where the first stop behind the text's first word begins; the text's end without one.
std::size_t answer_end(std::string_view text, const std::vector<std::string>& stops) {
  std::size_t end = text.size();
  const std::size_t begin = std::min(text.find_first_not_of(" \t\r\n"), end);
  for (const std::string& stop : stops) end = std::min(text.find(stop, begin), end);
  return end;
}

}  // namespace

ServerAnswer ask_choice(ServerDoor& door, const Example& question, const RequestMarks& marks) {
  const ChatOptions options{
      .max_tokens = kChoiceTokens, .temperature = 0, .top_log_probs = kTopLogProbs};
  const auto [reply, money] = door.chat(lettered_question(question), options, marks);
  ServerAnswer answer{.text = {},
                      .choice = parse_choice(reply.text, question.choices),
                      .letters = {},
                      .prompt_tokens = reply.prompt_tokens,
                      .completion_tokens = reply.completion_tokens,
                      .money = money};
  if (!reply.tokens.empty()) {
    answer.letters = letter_log_probs(reply.tokens.front().top, question.choices.size());
  }
  if (!answer.choice && !answer.letters.empty()) {
    const auto best = std::ranges::max_element(answer.letters);
    answer.choice = static_cast<int>(best - answer.letters.begin());
  }
  if (answer.choice) answer.text = question.choices[static_cast<std::size_t>(*answer.choice)];
  return answer;
}

std::vector<ChatMessage> chat_of(const Example& question) {
  if (question.kind != ExampleKind::Messages) return {{"user", question.prompt}};
  std::vector<ChatMessage> messages = question.messages;
  if (!messages.empty() && messages.back().role == "assistant") messages.pop_back();
  return messages;
}

ServerAnswer ask_text(ServerDoor& door, const Example& question, const GenerateOptions& how,
                      const RequestMarks& marks, const OnText& on_text) {
  // Not every server knows stops, so they are applied here.
  const ChatOptions options{.max_tokens = how.max_tokens, .temperature = 0, .top_log_probs = 0};
  std::string text;
  OnText relay;
  if (on_text) {
    relay = [&](std::string_view piece) {
      const std::size_t said = text.size();
      text += piece;
      const std::size_t end = answer_end(text, how.stop);
      return (end <= said || on_text(std::string_view(text).substr(said, end - said))) &&
             end == text.size();
    };
  }
  const auto [reply, money] = door.chat(chat_of(question), options, marks, relay);
  return {.text = reply.text.substr(0, answer_end(reply.text, how.stop)),
          .choice = std::nullopt,
          .letters = {},
          .prompt_tokens = reply.prompt_tokens,
          .completion_tokens = reply.completion_tokens,
          .money = money};
}

}  // namespace crayon
