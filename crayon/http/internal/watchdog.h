// Ends a request that takes too long: a thread that shuts the socket down, since a blocked read
// has no other way to be ended from outside.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>

#include "crayon/http/client.h"
#include "crayon/http/internal/connect.h"

namespace crayon {

class Watchdog {
 public:
  enum class Fired { No, Silent, Total, Interrupted };

  /// Watches a second descriptor of `socket`, so that closing the first one is no race.
  /// @param start  when the request began, for the total deadline
  Watchdog(int socket, const HttpTimeouts& timeouts, std::chrono::steady_clock::time_point start);
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

  FileDescriptor socket_;
  std::chrono::milliseconds silence_;
  Clock::time_point end_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::optional<Clock::time_point> last_;  ///< Last sign of life; none while held.
  Fired fired_ = Fired::No;
  bool done_ = false;
  std::thread thread_;  // last: it uses the rest
};

}  // namespace crayon
