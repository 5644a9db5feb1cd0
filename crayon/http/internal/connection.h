// One accepted connection: bytes read and written within limits, and whether the client is still
// there.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>

namespace crayon {

class Connection {
 public:
  /// Borrows the socket. @param max_bytes  most that is read in all
  Connection(int fd, std::size_t max_bytes);

  /// Up to `n` bytes; 0 at the end, -1 on an error, a limit or after kReadTime in all.
  [[nodiscard]] std::ptrdiff_t read(char* out, std::size_t n);
  /// -1 when the client has gone or takes nothing for kWriteTime.
  [[nodiscard]] std::ptrdiff_t write(const char* data, std::size_t n);
  [[nodiscard]] bool gone() const;
  [[nodiscard]] bool readable() const;
  [[nodiscard]] bool writable() const;
  [[nodiscard]] int fd() const { return fd_; }
  void shut();  ///< Ends blocked reads and writes, from any thread.

  std::atomic<bool> answering = false;  ///< The request is read; an answer is made.

 private:
  static constexpr std::chrono::seconds kReadTime{60};
  static constexpr std::chrono::seconds kWriteTime{30};

  [[nodiscard]] bool wait(short events, std::chrono::milliseconds limit) const;

  int fd_;
  std::size_t left_;
  std::chrono::steady_clock::time_point read_end_;
  std::array<char, 8192> buffer_;
  std::size_t begin_ = 0, end_ = 0;
};

}  // namespace crayon
