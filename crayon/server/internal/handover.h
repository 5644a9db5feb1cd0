// From the thread that works to the thread of a connection: items one by one, then a result or an
// error. The reader sees every 50 ms whether its client is still there.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <utility>

#include "crayon/base/error.h"

namespace crayon::server {

/// Shared by both threads.
template <typename Item, typename Result>
class Handover {
 public:
  void cancel() { cancelled_ = true; }
  [[nodiscard]] bool cancelled() const { return cancelled_; }

  /// @return false: nobody wants more
  bool put(Item item) {
    {
      const std::lock_guard lock(mutex_);
      items_.push_back(std::move(item));
    }
    changed_.notify_one();
    return !cancelled_;
  }
  void finish(Result&& result, std::exception_ptr error) {
    {
      const std::lock_guard lock(mutex_);
      result_ = std::move(result);
      error_ = std::move(error);
      done_ = true;
    }
    changed_.notify_one();
  }

  /// Waits until there is an item, or the end: an error without an item before it comes out here.
  /// @param gone  asked on this thread @throws Error Unavailable  it said yes; and cancels
  void wait_for_first(const std::function<bool()>& gone) {
    constexpr std::chrono::milliseconds kTick{50};
    for (;;) {
      if (gone()) {
        cancelled_ = true;
        throw Error(ErrorCode::Unavailable, "the answer was cancelled");
      }
      std::unique_lock lock(mutex_);
      if (!changed_.wait_for(lock, kTick, [this] { return !items_.empty() || done_; })) continue;
      if (items_.empty() && error_) std::rethrow_exception(error_);
      return;
    }
  }
  /// Waits and takes; none at the end. @throws as wait_for_first()
  [[nodiscard]] std::optional<Item> next(const std::function<bool()>& gone) {
    wait_for_first(gone);
    const std::lock_guard lock(mutex_);
    if (items_.empty()) return std::nullopt;
    Item item = std::move(items_.front());
    items_.pop_front();
    return item;
  }
  void wait_for_end() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return done_; });
  }
  /// After the end; before, one that says nothing. A copy: the worker may be about to finish.
  [[nodiscard]] Result result() const {
    const std::lock_guard lock(mutex_);
    return result_;
  }

 private:
  std::atomic<bool> cancelled_ = false;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Item> items_;  // guarded by mutex_, as all below
  Result result_;
  std::exception_ptr error_;
  bool done_ = false;
};

}  // namespace crayon::server
