// A TCP connection that is made within a deadline and can be ended by Ctrl-C and by its caller,
// name look-up included.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <utility>

#include "crayon/http/internal/look_up.h"

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

/// How a connection is to be made.
struct Connecting {
  HostNames& names;
  std::string host;                             ///< For messages.
  std::string origin;                           ///< What messages call the server.
  std::chrono::milliseconds timeout;            ///< For look-up and connection together.
  const std::function<void()>& before_connect;  ///< See HttpHooks; may be empty.
  const std::function<bool()>& cancelled;       ///< Throws nothing; may be empty.
};

/// Looks the name up and tries its addresses in order, each for its part of the time that is left;
/// the socket is in blocking mode, and none (-1) when the caller cancelled.
/// @throws HttpError    unknown name, refused, no answer within the time
/// @throws Interrupted  Ctrl-C
[[nodiscard]] FileDescriptor connect_to(const Connecting& how);

}  // namespace crayon
