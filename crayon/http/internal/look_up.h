// Names to addresses within a deadline. The system's look-up cannot be stopped, so it runs on a
// thread of its own, which is left behind when it takes too long; a host has at most one such
// thread, which later requests wait for too.
#pragma once

#include <sys/socket.h>

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "crayon/http/client.h"

namespace crayon {

struct Address {
  int family = 0;
  sockaddr_storage storage{};
  socklen_t bytes = 0;
};

struct Found {
  std::string error;  ///< Why there is none.
  std::vector<Address> addresses;
};

/// The addresses of one host and port. Safe to use from several threads.
class HostNames {
 public:
  /// @param look_up  in place of the system's; may be empty
  HostNames(std::string host, int port, NameLookUp look_up);

  /// @param give_up  asked every 50 ms; true ends the waiting
  /// @returns null at the deadline and when given up
  [[nodiscard]] std::shared_ptr<const Found> find(std::chrono::steady_clock::time_point deadline,
                                                  const std::function<bool()>& give_up);

 private:
  struct Pending;

  std::string host_;
  int port_;
  NameLookUp look_up_;
  std::mutex mutex_;
  std::shared_ptr<Pending> pending_;  // guarded by mutex_; null when no look-up is under way
};

}  // namespace crayon
