#include "crayon/http/internal/watchdog.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <algorithm>

#include "crayon/base/interrupt.h"

namespace crayon {

Watchdog::Watchdog(int socket, const HttpTimeouts& timeouts, Clock::time_point start)
    : socket_(fcntl(socket, F_DUPFD_CLOEXEC, 0)),
      silence_(timeouts.first_byte),
      end_(start + timeouts.total),
      last_(Clock::now()),
      thread_([this] { run(); }) {}

Watchdog::~Watchdog() {
  {
    const std::lock_guard lock(mutex_);
    done_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void Watchdog::hold() {
  const std::lock_guard lock(mutex_);
  last_.reset();
}

void Watchdog::alive() {
  const std::lock_guard lock(mutex_);
  last_ = Clock::now();
}

Watchdog::Fired Watchdog::fired() const {
  const std::lock_guard lock(mutex_);
  return fired_;
}

Watchdog::Fired Watchdog::look(Clock::time_point now) const {
  if (interrupted()) return Fired::Interrupted;
  if (now >= end_) return Fired::Total;
  if (last_ && now >= *last_ + silence_) return Fired::Silent;
  return Fired::No;
}

void Watchdog::run() {
  constexpr std::chrono::milliseconds kTick{50};  // how long an interrupt may go unseen
  std::unique_lock lock(mutex_);
  while (!done_) {
    const auto now = Clock::now();
    if (fired_ == Fired::No) fired_ = look(now);
    if (fired_ != Fired::No) {
      shutdown(socket_.get(), SHUT_RDWR);
      wake_.wait(lock, [this] { return done_; });
      return;
    }
    auto until = std::min(now + kTick, end_);
    if (last_) until = std::min(until, *last_ + silence_);
    wake_.wait_until(lock, until);
  }
}

}  // namespace crayon
