#include "crayon/engine/internal/stream_text.h"

#include <algorithm>
#include <cstdint>

namespace crayon::internal {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

/// Length of the character at the start of `text`; 0 when it is incomplete, -1 when invalid.
/// Ranges of the second byte: Unicode 15, table 3-7.
int character_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  const std::uint8_t first = byte(0);
  if (first < 0x80) return 1;
  if (first < 0xC2 || first > 0xF4) return -1;
  const std::size_t length = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
  std::uint8_t low = 0x80;
  std::uint8_t high = 0xBF;
  if (first == 0xE0) low = 0xA0;
  if (first == 0xED) high = 0x9F;
  if (first == 0xF0) low = 0x90;
  if (first == 0xF4) high = 0x8F;
  for (std::size_t i = 1; i < length; ++i) {
    if (i >= text.size()) return 0;
    if (byte(i) < low || byte(i) > high) return -1;
    low = 0x80;
    high = 0xBF;
  }
  return static_cast<int>(length);
}

/// Does `text` end with a beginning of `stop`? The length of the longest one.
std::size_t open_stop(std::string_view text, std::string_view stop) {
  for (std::size_t n = std::min(text.size(), stop.size() - 1); n > 0; --n) {
    if (text.ends_with(stop.substr(0, n))) return n;
  }
  return 0;
}

}  // namespace

std::string Utf8Joiner::push(std::string_view piece) {
  rest_ += piece;
  std::string text;
  std::size_t at = 0;
  while (at < rest_.size()) {
    const int length = character_length(std::string_view(rest_).substr(at));
    if (length == 0) break;
    if (length < 0) {
      text += kReplacement;
      ++at;
    } else {
      text.append(rest_, at, static_cast<std::size_t>(length));
      at += static_cast<std::size_t>(length);
    }
  }
  rest_.erase(0, at);
  return text;
}

std::string valid_utf8(std::string_view text) {
  Utf8Joiner joiner;
  std::string result = joiner.push(text);
  // An ASCII byte completes nothing: what is kept back turns into U+FFFD.
  const std::string tail = joiner.push(" ");
  return result + tail.substr(0, tail.size() - 1);
}

StopFilter::StopFilter(std::vector<std::string> stops) : stops_(std::move(stops)) {
  std::erase(stops_, "");
}

std::vector<GeneratedToken> StopFilter::push(GeneratedToken token) {
  text_ += token.text;
  held_.push_back(std::move(token));
  std::size_t stop_at = std::string::npos;
  std::size_t open = 0;
  for (const auto& stop : stops_) {
    stop_at = std::min(stop_at, text_.find(stop));
    open = std::max(open, open_stop(text_, stop));
  }
  if (stop_at == std::string::npos) return release(text_.size() - open, /*cut_last=*/false);
  stopped_ = true;
  return release(stop_at, /*cut_last=*/true);
}

std::vector<GeneratedToken> StopFilter::finish() { return release(text_.size(), false); }

/// The tokens that lie wholly in the first `bytes`; with `cut_last` also the one across the end.
std::vector<GeneratedToken> StopFilter::release(std::size_t bytes, bool cut_last) {
  std::vector<GeneratedToken> certain;
  while (!held_.empty() && held_.front().text.size() <= bytes) {
    if (cut_last && bytes == 0) break;
    bytes -= held_.front().text.size();
    text_.erase(0, held_.front().text.size());
    certain.push_back(std::move(held_.front()));
    held_.pop_front();
  }
  if (cut_last && bytes > 0 && !held_.empty()) {
    certain.push_back(std::move(held_.front()));
    certain.back().text.resize(bytes);
  }
  return certain;
}

}  // namespace crayon::internal
