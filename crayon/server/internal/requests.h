// Requests of the OpenAI-compatible API, checked at the door: from here on nothing is JSON.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "crayon/prompt/example.h"

namespace crayon::server {

struct ApiRequest {
  bool chat = false;                  ///< From /v1/chat/completions; else /v1/completions.
  std::string model;                  ///< "" when the request names none.
  std::vector<ChatMessage> messages;  ///< Of a chat, at least one.
  std::string prompt;                 ///< Of a completion.
  std::optional<int> max_tokens;      ///< At least 1.
  double temperature = 1;             ///< 0 to 2; the API's default.
  double top_p = 1;                   ///< In (0, 1].
  std::optional<std::uint64_t> seed;
  std::vector<std::string> stop;  ///< At most 16, none empty.
  bool stream = false;
  bool include_usage = false;  ///< Of a stream: a last chunk with the usage.
  bool log_probs = false;
  int top_log_probs = 0;                   ///< 0 to 20; more than 0 only with log_probs.
  std::vector<std::string> guided_choice;  ///< At most 256, none empty; empty: write freely.
};

/// Reads the body of a request; fields that are not known are ignored, those that would change the
/// answer and are not done here are refused.
/// @throws Error InvalidArgument  with the field, what was found and what was expected
[[nodiscard]] ApiRequest parse_chat(std::string_view body);
[[nodiscard]] ApiRequest parse_completion(std::string_view body);

}  // namespace crayon::server
