#include "crayon/formats/internal/gguf_source.h"

#include <algorithm>

#include "crayon/formats/internal/messages.h"

namespace crayon {
namespace {

constexpr std::uint64_t kWindowBytes = 1 << 18;

}  // namespace

std::span<const std::byte> GgufSource::take(std::uint64_t n) {
  if (n > left()) {
    throw corrupt(name_, "cut short at byte {}: {} more bytes are needed, {} are left", offset(), n,
                  left());
  }
  if (n > window_.size() - used_) refill(n);
  const auto result = window_.subspan(used_, n);
  used_ += n;
  return result;
}

std::string GgufSource::text(std::uint64_t n) {
  const auto bytes = take(n);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

void GgufSource::refill(std::uint64_t n) {
  window_begin_ += used_;
  used_ = 0;
  buffer_.resize(std::min(std::max(n, kWindowBytes), size_ - window_begin_));
  input_->read(window_begin_, buffer_);
  window_ = buffer_;
}

}  // namespace crayon
