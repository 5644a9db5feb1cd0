// Who of a job's workers lives, and why one ended: every worker counts a number up in a store that
// worker 0 keeps; a number that stands still is a dead worker. The first to know of a failure
// writes it down, and all others end with that text.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "crayon/trainer/workers.h"

namespace crayon {

/// Small values that all workers see, by key. Every call may throw any std::exception: then worker
/// 0, which keeps them, is gone. Used by one thread at a time.
class SharedKeys {
 public:
  virtual ~SharedKeys() = default;
  /// The number at `key` (0 at first) after adding `n`.
  virtual std::int64_t add(const std::string& key, std::int64_t n) = 0;
  /// Writes unless something stands there. @return what stands there then; never empty
  virtual std::string set_once(const std::string& key, const std::string& value) = 0;
  /// What set_once() has written, if anything. Does not wait.
  [[nodiscard]] virtual std::optional<std::string> get(const std::string& key) = 0;
};

struct WatchTimes {
  std::chrono::milliseconds beat{500};   ///< Between two signs of life.
  std::chrono::milliseconds poll{50};    ///< Between two looks at the store.
  std::chrono::milliseconds dead{3000};  ///< Without sign of life, once a connection has broken.
  std::chrono::milliseconds missing{30000};  ///< The same while nothing is known to be wrong.
  std::chrono::milliseconds farewell{5000};  ///< Worker 0's longest wait for the others to leave.
};

class WorkerWatch {
 public:
  /// @param own  for the calling thread  @param beating  another connection, for the thread that
  ///                                     gives signs of life as long as this lives
  WorkerWatch(const WorkerPlace& place, std::unique_ptr<SharedKeys> own,
              std::unique_ptr<SharedKeys> beating, const WatchTimes& times = {});
  WorkerWatch(const WorkerWatch&) = delete;
  WorkerWatch& operator=(const WorkerWatch&) = delete;

  /// Counts an exchange of tensors that this worker begins: where all live and one is behind, that
  /// is the one that hangs.
  void begin_exchange() { ++exchanges_; }

  /// Returns once all workers have called this as often as this one; each `where` is used once.
  /// @param limit  for all to come, when not 0; their number is then not known to live yet
  /// @throws Error Unavailable  some did not come within the limit; names them
  /// @throws WorkerFailed, Interrupted
  void meet(const std::string& where, std::chrono::milliseconds limit = {});

  /// Says why an exchange broke: what another worker told, who died, or who hangs.
  /// @param reason  of the library
  [[noreturn]] void explain(const std::string& reason);

  /// As ProcessGroup.
  [[nodiscard]] std::string from_leader(const std::string& name, const std::string& text);
  WorkerFailure tell(const WorkerFailure& failure) noexcept;
  void leave() noexcept;

 private:
  using Clock = std::chrono::steady_clock;
  struct Life {
    std::int64_t beats = 0;
    Clock::time_point since;  ///< When this worker saw it change last.
  };
  void beat(SharedKeys& keys, const std::stop_token& stop);
  void look();
  void throw_if_told();
  [[nodiscard]] std::optional<int> silent_worker(std::chrono::milliseconds limit) const;
  [[nodiscard]] std::string missing_at(const std::string& where);
  [[noreturn]] void tell_and_raise(int exit_status, const std::string& text);
  [[noreturn]] void raise_dead(int rank, const std::string& reason);
  [[noreturn]] void raise_hanging(const std::string& reason);
  [[noreturn]] void raise_without_leader(const std::string& reason) const;
  [[nodiscard]] std::string name_of(int rank);

  WorkerPlace place_;
  WatchTimes times_;
  std::unique_ptr<SharedKeys> keys_;
  std::vector<Life> lives_;
  Clock::time_point looked_;  ///< When lives_ was brought up to date.
  std::atomic<std::int64_t> exchanges_ = 0;
  std::mutex mutex_;
  std::condition_variable_any stopped_;
  std::jthread beating_;  ///< Last: it uses what is above.
};

}  // namespace crayon
