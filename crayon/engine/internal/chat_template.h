// Chat messages to text through the templates that llama.cpp knows (it has no Jinja parser).
#pragma once

#include <string>
#include <vector>

#include "crayon/prompt/example.h"

namespace crayon::internal {

/// @throws Error InvalidArgument  `name` is neither "" nor one of llama.cpp's; with the known ones
void check_chat_template_name(const std::string& name);

/// @param chat_template  text of a model's template, or a name that llama.cpp knows
/// @param model          for messages
/// @throws Error Unsupported  none, or not known to llama.cpp; InvalidArgument: no messages, or a
///                            zero byte in one
[[nodiscard]] std::string apply_chat_template(const std::string& chat_template,
                                              const std::vector<ChatMessage>& messages,
                                              bool add_assistant, const std::string& model);

}  // namespace crayon::internal
