#include "crayon/engine/internal/vocabulary.h"

#include <fmt/format.h>

#include <limits>

#include "crayon/base/error.h"

namespace crayon::internal {

std::vector<int> tokenize_text(const LlamaModel& model, std::string_view text, bool parse_special) {
  if (text.size() > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max())) {
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("a text of {} bytes; expected less than 2 GiB", text.size()));
  }
  const auto length = static_cast<std::int32_t>(text.size());
  std::vector<int> tokens(text.size() / 3 + 8);
  const auto fill = [&] {
    return guarded(model.file(), [&] {
      return llama_tokenize(model.vocab(), text.data(), length, tokens.data(),
                            static_cast<std::int32_t>(tokens.size()), false, parse_special);
    });
  };
  int n = fill();
  if (n < 0) {
    tokens.resize(static_cast<std::size_t>(-static_cast<std::int64_t>(n)));
    n = fill();
  }
  tokens.resize(static_cast<std::size_t>(n < 0 ? 0 : n));
  return tokens;
}

std::vector<int> tokenize_prompt(const LlamaModel& model, std::string_view text, bool add_bos) {
  std::vector<int> tokens = tokenize_text(model, text, /*parse_special=*/true);
  const int bos = llama_vocab_bos(model.vocab());
  const bool wants = add_bos && llama_vocab_get_add_bos(model.vocab()) && bos >= 0;
  if (wants && (tokens.empty() || tokens.front() != bos)) tokens.insert(tokens.begin(), bos);
  return tokens;
}

std::string token_piece(const LlamaModel& model, int token, bool special) {
  std::string piece(32, '\0');
  const auto fill = [&] {
    return guarded(model.file(), [&] {
      return llama_token_to_piece(model.vocab(), token, piece.data(),
                                  static_cast<std::int32_t>(piece.size()), 0, special);
    });
  };
  int n = fill();
  if (n < 0) {
    piece.resize(static_cast<std::size_t>(-static_cast<std::int64_t>(n)));
    n = fill();
  }
  piece.resize(static_cast<std::size_t>(n < 0 ? 0 : n));
  return piece;
}

}  // namespace crayon::internal
