// A TCP connection that is made within a deadline and can be interrupted, name look-up included.
#pragma once

#include <chrono>
#include <string>
#include <utility>

namespace crayon {

/// Owns a file descriptor; -1 is none.
class FileDescriptor {
 public:
  explicit FileDescriptor(int fd = -1) noexcept : fd_(fd) {}
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(other.release()) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~FileDescriptor();

  [[nodiscard]] int get() const noexcept { return fd_; }
  [[nodiscard]] int release() noexcept { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

struct Endpoint {
  std::string host;  ///< A name or an address, IPv6 without brackets.
  int port = 0;
  std::string origin;  ///< What messages call it.
};

/// Looks the name up and tries its addresses in order; the socket is in blocking mode.
/// @throws Error Unavailable  unknown name, refused, no answer within `timeout`
/// @throws Interrupted        Ctrl-C
[[nodiscard]] FileDescriptor connect_to(const Endpoint& endpoint,
                                        std::chrono::milliseconds timeout);

}  // namespace crayon
