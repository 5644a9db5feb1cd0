#include "crayon/session/server_side.h"

#include "crayon/prompt/answer.h"

namespace crayon {
namespace {

constexpr int kChoiceTokens = 16;

}  // namespace

ServerAnswer ask_choice(Remote& remote, const Example& question) {
  const ChatOptions options{.max_tokens = kChoiceTokens, .temperature = 0, .top_log_probs = 0};
  const RemoteAnswer reply = remote.chat(lettered_question(question), options);
  ServerAnswer answer{.text = {},
                      .choice = parse_choice(reply.text, question.choices),
                      .prompt_tokens = reply.prompt_tokens,
                      .completion_tokens = reply.completion_tokens};
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
          .prompt_tokens = reply.prompt_tokens,
          .completion_tokens = reply.completion_tokens};
}

}  // namespace crayon
