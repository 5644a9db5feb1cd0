#include "crayon/http/internal/connection.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace crayon {

using Clock = std::chrono::steady_clock;

Connection::Connection(int fd, std::size_t max_bytes)
    : fd_(fd), left_(max_bytes), read_end_(Clock::now() + kReadTime) {}

bool Connection::wait(short events, std::chrono::milliseconds limit) const {
  const auto end = Clock::now() + limit;
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now());
    pollfd waited{fd_, events, 0};
    const int ready = poll(&waited, 1, static_cast<int>(std::max<std::int64_t>(left.count(), 0)));
    if (ready >= 0) return ready > 0;
    if (errno != EINTR) return false;
  }
}

bool Connection::readable() const {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(read_end_ - Clock::now());
  return begin_ < end_ || wait(POLLIN, left);
}

bool Connection::writable() const { return wait(POLLOUT, kWriteTime) && !gone(); }

std::ptrdiff_t Connection::read(char* out, std::size_t n) {
  if (begin_ == end_) {
    if (left_ == 0 || !readable()) return -1;
    const auto got = recv(fd_, buffer_.data(), std::min(buffer_.size(), left_), 0);
    if (got <= 0) return got;
    begin_ = 0;
    end_ = static_cast<std::size_t>(got);
    left_ -= end_;
  }
  n = std::min(n, end_ - begin_);
  std::memcpy(out, buffer_.data() + begin_, n);
  begin_ += n;
  return static_cast<std::ptrdiff_t>(n);
}

std::ptrdiff_t Connection::write(const char* data, std::size_t n) {
  for (;;) {
    if (!wait(POLLOUT, kWriteTime)) return -1;
    const auto sent = send(fd_, data, n, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)) return sent;
  }
}

bool Connection::gone() const {
  char byte = 0;
  const auto got = recv(fd_, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return got == 0 || (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

void Connection::drop_rest(std::size_t max_bytes) {
  shutdown(fd_, SHUT_WR);
  while (max_bytes > 0) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(read_end_ - Clock::now());
    if (!wait(POLLIN, std::min<std::chrono::milliseconds>(left, kSilence))) return;
    const auto got = recv(fd_, buffer_.data(), std::min(buffer_.size(), max_bytes), 0);
    if (got <= 0) return;
    max_bytes -= static_cast<std::size_t>(got);
  }
}

void Connection::shut() { shutdown(fd_, SHUT_RDWR); }

}  // namespace crayon
