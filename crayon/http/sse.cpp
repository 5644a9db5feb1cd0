// The event stream format of the HTML standard, section 9.2 (server-sent events).
#include <fmt/format.h>

#include "crayon/base/error.h"
#include "crayon/http/client.h"

namespace crayon {

void SseParser::check_size(std::size_t bytes) const {
  if (bytes <= max_event_bytes_) return;
  throw Error(ErrorCode::CorruptFile,
              fmt::format("{}: an event has more than {} bytes", name_, max_event_bytes_));
}

bool SseParser::take_line(std::string_view line,
                          const std::function<bool(std::string_view)>& on_data) {
  if (first_line_) {
    first_line_ = false;
    if (line.starts_with("\xEF\xBB\xBF")) line.remove_prefix(3);
  }
  if (line.empty()) {
    if (!has_data_) return true;
    data_.pop_back();
    const std::string data = std::move(data_);
    data_.clear();
    has_data_ = false;
    return on_data(data);
  }
  const auto colon = line.find(':');
  if (line.substr(0, colon) != "data") return true;
  auto value = colon == std::string_view::npos ? std::string_view() : line.substr(colon + 1);
  if (value.starts_with(' ')) value.remove_prefix(1);
  check_size(data_.size() + value.size());
  data_.append(value).push_back('\n');
  has_data_ = true;
  return true;
}

bool SseParser::feed(std::string_view piece, const std::function<bool(std::string_view)>& on_data) {
  while (!piece.empty() && !ended_) {
    if (skip_feed_) {
      skip_feed_ = false;
      if (piece.front() == '\n') {
        piece.remove_prefix(1);
        continue;
      }
    }
    const auto end = piece.find_first_of("\r\n");
    line_.append(piece.substr(0, end));
    check_size(line_.size());
    if (end == std::string_view::npos) break;
    skip_feed_ = piece[end] == '\r';
    piece.remove_prefix(end + 1);
    const std::string line = std::move(line_);
    line_.clear();
    ended_ = !take_line(line, on_data);
  }
  return !ended_;
}

}  // namespace crayon
