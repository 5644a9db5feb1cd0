#include "crayon/formats/internal/gguf_source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "crayon/formats/internal/messages.h"

namespace crayon {
namespace {

constexpr std::uint64_t kWindowBytes = 1 << 18;

}  // namespace

InputFile::InputFile(const std::filesystem::path& path) : name_(path.string()) {
  fd_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd_ < 0) {
    const bool missing = errno == ENOENT || errno == ENOTDIR;
    throw file_error(missing ? ErrorCode::NotFound : ErrorCode::Unavailable, name_,
                     "cannot be opened: {}; check the path", std::strerror(errno));
  }
  struct stat status {};
  if (::fstat(fd_, &status) != 0 || !S_ISREG(status.st_mode)) {
    ::close(fd_);
    throw file_error(ErrorCode::InvalidArgument, name_, "{}, expected a file; name a file",
                     S_ISDIR(status.st_mode) ? "is a folder" : "is not a regular file");
  }
  size_ = static_cast<std::uint64_t>(status.st_size);
}

InputFile::~InputFile() { ::close(fd_); }

void InputFile::read(std::uint64_t offset, std::span<std::byte> to) const {
  while (!to.empty()) {
    const ssize_t n = ::pread(fd_, to.data(), to.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      throw file_error(ErrorCode::Unavailable, name_, "cannot be read: {}", std::strerror(errno));
    }
    if (n == 0) {
      throw corrupt(name_, "ends at byte {}, {} more bytes are needed", offset, to.size());
    }
    offset += static_cast<std::uint64_t>(n);
    to = to.subspan(static_cast<std::size_t>(n));
  }
}

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
