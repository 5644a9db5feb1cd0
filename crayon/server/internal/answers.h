// Answers of the OpenAI-compatible API as JSON text: whole, or in the chunks of a stream.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "crayon/engine/engine.h"

namespace crayon::server {

struct Usage {
  std::size_t prompt_tokens = 0;
  std::size_t completion_tokens = 0;
};

/// What stands in every chunk of one answer.
struct AnswerHead {
  bool chat = false;
  std::string id;
  std::string model;
  std::int64_t created = 0;  ///< Seconds since 1970.
  bool log_probs = false;    ///< Write the tokens' log-probs.
};

/// The whole answer. @param tokens  read where head.log_probs is set
[[nodiscard]] std::string whole_answer(const AnswerHead& head, std::string_view text,
                                       const std::vector<GeneratedToken>& tokens,
                                       std::string_view finish_reason, const Usage& usage);

/// The first chunk of a streamed chat: the role.
[[nodiscard]] std::string role_chunk(const AnswerHead& head);
/// A piece of the answer. `text_offset` is where it stands in the answer, in bytes.
[[nodiscard]] std::string piece_chunk(const AnswerHead& head, const GeneratedToken& token,
                                      std::size_t text_offset);
[[nodiscard]] std::string finish_chunk(const AnswerHead& head, std::string_view finish_reason);
[[nodiscard]] std::string usage_chunk(const AnswerHead& head, const Usage& usage);

/// The answer of /v1/models.
[[nodiscard]] std::string model_list(const std::string& model, std::int64_t created);

}  // namespace crayon::server
