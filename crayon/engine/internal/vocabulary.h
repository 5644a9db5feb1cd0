// Text to tokens and back, over llama.cpp's vocabulary.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "crayon/engine/internal/llama_handles.h"

namespace crayon::internal {

/// Tokens of a text, without BOS or EOS.
/// @throws Error InvalidArgument  longer than 2^31 - 1 bytes; CorruptFile: the vocabulary lacks
///                                what the text needs
[[nodiscard]] std::vector<int> tokenize_text(const LlamaModel& model, std::string_view text,
                                             bool parse_special);

/// Tokens of a prompt: special tokens parsed; with BOS if `add_bos`, the model wants one and the
/// text does not begin with it.
[[nodiscard]] std::vector<int> tokenize_prompt(const LlamaModel& model, std::string_view text,
                                               bool add_bos);

/// The bytes of one token: not always whole characters; "" for special tokens such as BOS.
[[nodiscard]] std::string token_piece(const LlamaModel& model, int token, bool special = false);

}  // namespace crayon::internal
