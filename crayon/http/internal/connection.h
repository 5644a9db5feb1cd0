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
  /// Borrows the socket. @param max_bytes  most that is read in all, unless allow() adds to it
  Connection(int fd, std::size_t max_bytes);
  void allow(std::size_t more_bytes) { left_ += more_bytes; }

  /// Up to `n` bytes; 0 at the end, -1 on an error, a limit or after kReadTime in all.
  [[nodiscard]] std::ptrdiff_t read(char* out, std::size_t n);
  /// -1 when the client has gone or takes nothing for kWriteTime.
  [[nodiscard]] std::ptrdiff_t write(const char* data, std::size_t n);
  [[nodiscard]] bool gone() const;
  [[nodiscard]] bool readable() const;
  [[nodiscard]] bool writable() const;
  [[nodiscard]] int fd() const { return fd_; }
  void shut();  ///< Ends blocked reads and writes, from any thread.
  /// Ends the answer and reads what still comes, at most `max_bytes`, until the client closes or is
  /// silent: closing on unread bytes would reset the connection before the client sees the answer.
  void drop_rest(std::size_t max_bytes);

  std::atomic<bool> answering = false;  ///< The request is read; an answer is made.
  bool all_read = false;                ///< Nothing of the request is left unread.

 private:
  static constexpr std::chrono::seconds kReadTime{60};
  static constexpr std::chrono::seconds kWriteTime{30};
  static constexpr std::chrono::seconds kSilence{1};

  [[nodiscard]] bool wait(short events, std::chrono::milliseconds limit) const;

  int fd_;
  std::size_t left_;
  std::chrono::steady_clock::time_point read_end_;
  std::array<char, 8192> buffer_;
  std::size_t begin_ = 0, end_ = 0;
};

}  // namespace crayon
