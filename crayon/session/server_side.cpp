#include "crayon/session/server_side.h"

#include <algorithm>

#include "crayon/prompt/answer.h"

namespace crayon {
namespace {

constexpr int kChoiceTokens = 16;
constexpr int kTopLogProbs = 20;  // the most that the API allows

}  // namespace

ServerAnswer ask_choice(Remote& remote, const Example& question) {
  const ChatOptions options{
      .max_tokens = kChoiceTokens, .temperature = 0, .top_log_probs = kTopLogProbs};
  const RemoteAnswer reply = remote.chat(lettered_question(question), options);
  ServerAnswer answer{.text = {},
                      .choice = parse_choice(reply.text, question.choices),
                      .letters = {},
                      .prompt_tokens = reply.prompt_tokens,
                      .completion_tokens = reply.completion_tokens};
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

ServerAnswer ask_text(Remote& remote, const Example& question, int max_tokens,
                      const OnText& on_text) {
  const ChatOptions options{.max_tokens = max_tokens, .temperature = 0, .top_log_probs = 0};
  const RemoteAnswer reply = remote.chat(chat_of(question), options, on_text);
  return {.text = reply.text,
          .choice = std::nullopt,
          .letters = {},
          .prompt_tokens = reply.prompt_tokens,
          .completion_tokens = reply.completion_tokens};
}

}  // namespace crayon
