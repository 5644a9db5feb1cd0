// Pieces of tokens to text that may be shown: whole UTF-8 characters, and nothing that may still
// turn out to be the beginning of a stop text.
#pragma once

#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "crayon/engine/engine.h"

namespace crayon::internal {

/// Joins pieces to valid UTF-8. Bytes of a character that is not complete yet are kept back;
/// invalid ones become U+FFFD.
class Utf8Joiner {
 public:
  [[nodiscard]] std::string push(std::string_view piece);

 private:
  std::string rest_;
};

/// `text` with every invalid or incomplete byte sequence as U+FFFD.
[[nodiscard]] std::string valid_utf8(std::string_view text);

/// Holds tokens back until their text cannot be part of a stop text any more.
class StopFilter {
 public:
  explicit StopFilter(std::vector<std::string> stops);

  /// Takes a token whose text is valid UTF-8; returns those that are now certain, in order.
  [[nodiscard]] std::vector<GeneratedToken> push(GeneratedToken token);
  /// The text has reached a stop text: what stands before it has been returned, the rest is gone.
  [[nodiscard]] bool stopped() const { return stopped_; }
  /// What is held back, when no more tokens come.
  [[nodiscard]] std::vector<GeneratedToken> finish();

 private:
  std::vector<GeneratedToken> release(std::size_t bytes, bool cut_last);

  std::vector<std::string> stops_;
  std::deque<GeneratedToken> held_;
  std::string text_;  ///< Of held_.
  bool stopped_ = false;
};

}  // namespace crayon::internal
