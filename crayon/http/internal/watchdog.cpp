#include "crayon/http/internal/watchdog.h"

#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>

#include "crayon/base/interrupt.h"

namespace crayon {

Watchdog::Watchdog(int socket, const HttpTimeouts& timeouts, Clock::time_point start,
                   const std::function<bool()>& cancelled)
    : socket_(fcntl(socket, F_DUPFD_CLOEXEC, 0)),
      silence_(timeouts.first_byte),
      end_(start + timeouts.total),
      cancelled_(cancelled),
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
  const auto bytes = received();
  const std::lock_guard lock(mutex_);
  last_ = Clock::now();
  used_bytes_ = bytes;
}

Watchdog::Fired Watchdog::fired() const {
  const std::lock_guard lock(mutex_);
  return fired_;
}

Watchdog::Fired Watchdog::look(Clock::time_point now) const {
  if (interrupted()) return Fired::Interrupted;
  if (now >= end_) return Fired::Total;
  if (!last_) return Fired::No;
  if (now >= *last_ + silence_) return Fired::Silent;
  return received() > used_bytes_ + kMostUnusedBytes ? Fired::Endless : Fired::No;
}

std::uint64_t Watchdog::received() const {
  tcp_info info{};
  socklen_t bytes = sizeof(info);
  const bool told = getsockopt(socket_.get(), IPPROTO_TCP, TCP_INFO, &info, &bytes) == 0;
  return told ? info.tcpi_bytes_received : 0;
}

void Watchdog::run() {
  // How long Ctrl-C may go unseen, and a server may send what is no answer.
  constexpr std::chrono::milliseconds kTick{50};
  std::unique_lock lock(mutex_);
  while (!done_) {
    if (cancelled_) {
      lock.unlock();
      const bool ended = cancelled_();  // a caller's function: not under our lock
      lock.lock();
      if (ended && fired_ == Fired::No) fired_ = Fired::Cancelled;
    }
    const auto now = Clock::now();
    if (fired_ == Fired::No) fired_ = look(now);
    if (done_) return;
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
