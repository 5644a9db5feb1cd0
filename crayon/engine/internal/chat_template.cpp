#include "crayon/engine/internal/chat_template.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "crayon/base/error.h"
#include "llama.h"

namespace crayon::internal {
namespace {

std::vector<std::string> known_names() {
  std::vector<const char*> names(
      static_cast<std::size_t>(llama_chat_builtin_templates(nullptr, 0)));
  llama_chat_builtin_templates(names.data(), names.size());
  return {names.begin(), names.end()};
}

std::vector<llama_chat_message> borrowed(const std::vector<ChatMessage>& messages) {
  std::vector<llama_chat_message> result;
  for (const auto& message : messages) {
    if (message.role.find('\0') != std::string::npos ||
        message.content.find('\0') != std::string::npos) {
      throw Error(ErrorCode::InvalidArgument,
                  "a chat message holds a zero byte; chat templates take text only");
    }
    result.push_back({message.role.c_str(), message.content.c_str()});
  }
  return result;
}

[[noreturn]] void throw_unsupported(const std::string& what, const std::string& model) {
  throw Error(ErrorCode::Unsupported,
              fmt::format("model '{}' {}; name one with --chat-template (known: {})", model, what,
                          fmt::join(known_names(), ", ")));
}

}  // namespace

void check_chat_template_name(const std::string& name) {
  if (name.empty()) return;
  const auto names = known_names();
  if (std::find(names.begin(), names.end(), name) != names.end()) return;
  throw Error(
      ErrorCode::InvalidArgument,
      fmt::format("chat template '{}' is not known; known are {}", name, fmt::join(names, ", ")));
}

std::string apply_chat_template(const std::string& chat_template,
                                const std::vector<ChatMessage>& messages, bool add_assistant,
                                const std::string& model) {
  if (chat_template.empty()) throw_unsupported("has no chat template", model);
  if (messages.empty()) throw Error(ErrorCode::InvalidArgument, "a chat has no messages");
  const auto chat = borrowed(messages);
  std::string text(1024, '\0');
  const auto fill = [&] {
    return llama_chat_apply_template(chat_template.c_str(), chat.data(), chat.size(), add_assistant,
                                     text.data(), static_cast<std::int32_t>(text.size()));
  };
  int n = fill();
  if (n < 0) throw_unsupported("has a chat template that llama.cpp does not know", model);
  if (static_cast<std::size_t>(n) > text.size()) {
    text.resize(static_cast<std::size_t>(n));
    n = fill();
  }
  text.resize(static_cast<std::size_t>(n));
  return text;
}

}  // namespace crayon::internal
