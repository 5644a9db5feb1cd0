#include "crayon/formats/internal/messages.h"

namespace crayon {

std::string in_quotes(std::string_view text) {
  constexpr std::size_t kMost = 60;
  std::string result = "'";
  for (const char c : text.substr(0, kMost)) result += c >= ' ' && c <= '~' ? c : '?';
  result += text.size() > kMost ? "...'" : "'";
  return result;
}

}  // namespace crayon
