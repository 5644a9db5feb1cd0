// Ends a request that takes too long, that its caller gives up, or whose server sends without end
// what is no answer: a thread that shuts the socket down, since a blocked read has no other way to
// be ended from outside.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>

#include "crayon/http/client.h"
#include "crayon/http/internal/connect.h"

namespace crayon {

class Watchdog {
 public:
  enum class Fired { No, Silent, Total, Interrupted, Cancelled, Endless };

  /// Most bytes that may come without a piece of the body: the library reads a head and the size of
  /// a chunk into memory without a limit. More than a socket's buffer ever holds.
  static constexpr std::uint64_t kMostUnusedBytes = 16u << 20;

  /// Watches a second descriptor of `socket`, so that closing the first one is no race.
  /// @param start      when the request began, for the total deadline
  /// @param cancelled  asked at each tick, throws nothing; may be empty; borrowed
  Watchdog(int socket, const HttpTimeouts& timeouts, std::chrono::steady_clock::time_point start,
           const std::function<bool()>& cancelled);
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;
  ~Watchdog();

  void hold();   ///< The caller is busy with what came: silence does not count.
  void alive();  ///< Bytes came, or the caller reads on.
  [[nodiscard]] Fired fired() const;

 private:
  using Clock = std::chrono::steady_clock;

  void run();
  [[nodiscard]] Fired look(Clock::time_point now) const;
  [[nodiscard]] std::uint64_t received() const;  ///< Bytes, by the kernel's count.

  FileDescriptor socket_;
  std::chrono::milliseconds silence_;
  Clock::time_point end_;
  const std::function<bool()>& cancelled_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::optional<Clock::time_point> last_;  ///< Last sign of life; none while held.
  std::uint64_t used_bytes_ = 0;           ///< Received when the last piece was delivered.
  Fired fired_ = Fired::No;
  bool done_ = false;
  std::thread thread_;  // last: it uses the rest
};

}  // namespace crayon
