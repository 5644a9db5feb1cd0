#include "crayon/http/internal/look_up.h"

#include <netdb.h>

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <thread>

namespace crayon {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kTick{50};  // how long an interrupt may go unseen

Found ask_system(const std::string& host, int port, int flags = 0) {
  addrinfo hints{};
  hints.ai_flags = flags;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  Found found;
  const int error = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &list);
  if (error != 0) {
    found.error = gai_strerror(error);
    return found;
  }
  for (const addrinfo* a = list; a != nullptr; a = a->ai_next) {
    Address address{a->ai_family, {}, a->ai_addrlen};
    std::memcpy(&address.storage, a->ai_addr, a->ai_addrlen);
    found.addresses.push_back(address);
  }
  freeaddrinfo(list);
  return found;
}

Found ask(const NameLookUp& look_up, const std::string& host, int port) {
  if (!look_up) return ask_system(host, port);
  Found found;
  try {
    for (const std::string& address : look_up(host)) {
      const Found numeric = ask_system(address, port, AI_NUMERICHOST);
      found.addresses.insert(found.addresses.end(), numeric.addresses.begin(),
                             numeric.addresses.end());
    }
  } catch (const std::exception&) {
    found.addresses.clear();
  }
  if (found.addresses.empty()) found.error = "no address";
  return found;
}

}  // namespace

struct HostNames::Pending {
  std::mutex mutex;
  std::condition_variable ready;
  std::shared_ptr<const Found> found;  // guarded by mutex, as the next; null until it is there
  Clock::time_point at;                // when it came

  /// Came so long ago, with nobody waiting for it, that it should be asked for anew.
  bool stale() {
    const std::lock_guard lock(mutex);
    return found && Clock::now() > at + std::chrono::seconds(10);
  }
};

HostNames::HostNames(std::string host, int port, NameLookUp look_up)
    : host_(std::move(host)), port_(port), look_up_(std::move(look_up)) {}

std::shared_ptr<const Found> HostNames::find(Clock::time_point deadline,
                                             const std::function<bool()>& give_up) {
  auto numeric = ask_system(host_, port_, AI_NUMERICHOST);  // asks nobody
  if (numeric.error.empty()) return std::make_shared<const Found>(std::move(numeric));
  std::shared_ptr<Pending> pending;
  {
    const std::lock_guard lock(mutex_);
    if (!pending_ || pending_->stale()) {
      auto fresh = std::make_shared<Pending>();
      std::thread([fresh, look_up = look_up_, host = host_, port = port_] {
        auto found = std::make_shared<const Found>(ask(look_up, host, port));
        const std::lock_guard inner(fresh->mutex);
        fresh->found = std::move(found);
        fresh->at = Clock::now();
        fresh->ready.notify_all();
      }).detach();
      pending_ =
          std::move(fresh);  // only now: without a thread all later requests would wait for it
    }
    pending = pending_;
  }
  std::shared_ptr<const Found> found;
  {
    std::unique_lock lock(pending->mutex);
    while (!pending->found && Clock::now() < deadline) {
      lock.unlock();
      const bool ended = give_up();  // a caller's function: not under our lock
      lock.lock();
      if (ended || pending->found) break;
      pending->ready.wait_until(lock, std::min(Clock::now() + kTick, deadline));
    }
    found = pending->found;
  }
  if (found) {
    const std::lock_guard lock(mutex_);
    if (pending_ == pending) pending_.reset();  // the next request looks up anew
  }
  return found;
}

}  // namespace crayon
