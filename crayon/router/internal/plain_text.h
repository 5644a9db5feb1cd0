// A text as its reader sees it: blanks of all kinds are blanks, dashes are hyphens, wide digits and
// letters and the digits of other scripts are ASCII, characters without width are gone. Knows where
// each byte came from.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace crayon {

class PlainText {
 public:
  explicit PlainText(std::string_view text);

  [[nodiscard]] std::string_view text() const { return text_; }
  /// Where byte `i` of text() came from; its size gives the end.
  [[nodiscard]] std::size_t origin(std::size_t i) const { return origin_[i]; }

 private:
  std::string text_;
  std::vector<std::size_t> origin_;  ///< One more than text_ has bytes.
};

}  // namespace crayon
