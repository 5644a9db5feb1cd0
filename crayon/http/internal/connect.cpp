#include "crayon/http/internal/connect.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <future>
#include <memory>
#include <system_error>
#include <thread>
#include <vector>

#include "crayon/base/error.h"
#include "crayon/base/interrupt.h"

namespace crayon {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kTick{50};  // how long an interrupt may go unseen

struct Address {
  int family = 0;
  sockaddr_storage storage{};
  socklen_t bytes = 0;
};

struct Found {
  int error = 0;  // of getaddrinfo
  std::vector<Address> addresses;
};

Found look_up(const std::string& host, int port, int flags = 0) {
  addrinfo hints{};
  hints.ai_flags = flags;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  Found found;
  found.error = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &list);
  if (found.error != 0) return found;
  for (const addrinfo* a = list; a != nullptr; a = a->ai_next) {
    Address address{a->ai_family, {}, a->ai_addrlen};
    std::memcpy(&address.storage, a->ai_addr, a->ai_addrlen);
    found.addresses.push_back(address);
  }
  freeaddrinfo(list);
  return found;
}

[[noreturn]] void fail(const Endpoint& endpoint, const std::string& what) {
  throw Error(ErrorCode::Unavailable, endpoint.origin + ": " + what);
}

std::string too_slow(std::chrono::milliseconds timeout) {
  return fmt::format("no connection within {} ms; is the address right, and the server running?",
                     timeout.count());
}

// getaddrinfo cannot be stopped, so a thread of its own makes the call and is left behind when it
// takes too long; it shares nothing but the promise.
std::vector<Address> look_up_within(const Endpoint& endpoint, Clock::time_point deadline,
                                    std::chrono::milliseconds timeout) {
  auto numeric = look_up(endpoint.host, endpoint.port, AI_NUMERICHOST);  // asks nobody
  if (numeric.error == 0) return std::move(numeric.addresses);
  auto promise = std::make_shared<std::promise<Found>>();
  auto future = promise->get_future();
  std::thread([promise, host = endpoint.host, port = endpoint.port] {
    promise->set_value(look_up(host, port));
  }).detach();
  while (future.wait_for(kTick) != std::future_status::ready) {
    throw_if_interrupted();
    if (Clock::now() >= deadline)
      fail(endpoint, "the name look-up took too long: " + too_slow(timeout));
  }
  auto found = future.get();
  if (found.error != 0) {
    fail(endpoint, fmt::format("the name '{}' was not found ({}); check the URL", endpoint.host,
                               gai_strerror(found.error)));
  }
  return std::move(found.addresses);
}

// 0 when connected, else an errno; ETIMEDOUT at the deadline.
int wait_connected(int fd, Clock::time_point deadline) {
  for (;;) {
    throw_if_interrupted();
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
    const auto wait = std::clamp(left, std::chrono::milliseconds(0), kTick);
    pollfd waited{fd, POLLOUT, 0};
    const int ready = poll(&waited, 1, static_cast<int>(wait.count()));
    if (ready < 0 && errno != EINTR) return errno;
    if (ready <= 0 && left.count() <= 0) return ETIMEDOUT;
    if (ready <= 0) continue;
    int error = 0;
    socklen_t bytes = sizeof(error);
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &bytes) != 0) return errno;
    return error;
  }
}

int try_connect(int fd, const Address& address, Clock::time_point deadline) {
  const int flags = fcntl(fd, F_GETFL);
  fcntl(fd, F_SETFL, flags | O_NONBLOCK);
  const auto* target = reinterpret_cast<const sockaddr*>(&address.storage);
  int error = connect(fd, target, address.bytes) == 0 ? 0 : errno;
  if (error == EINPROGRESS || error == EINTR) error = wait_connected(fd, deadline);
  fcntl(fd, F_SETFL, flags);
  return error;
}

}  // namespace

FileDescriptor::~FileDescriptor() {
  if (fd_ >= 0) ::close(fd_);
}

FileDescriptor connect_to(const Endpoint& endpoint, std::chrono::milliseconds timeout) {
  const auto deadline = Clock::now() + timeout;
  int error = EADDRNOTAVAIL;
  for (const auto& address : look_up_within(endpoint, deadline, timeout)) {
    FileDescriptor fd(::socket(address.family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    error = fd.get() < 0 ? errno : try_connect(fd.get(), address, deadline);
    if (error == 0) {
      const int yes = 1;  // a request is written in two parts: do not wait for the first one's ACK
      setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
      return fd;
    }
    if (error == ETIMEDOUT && Clock::now() >= deadline) break;
  }
  if (error == ECONNREFUSED) fail(endpoint, "refused the connection; is the server running?");
  if (error == ETIMEDOUT) fail(endpoint, too_slow(timeout));
  fail(endpoint, fmt::format("no connection ({}); check the URL and the network",
                             std::generic_category().message(error)));
}

}  // namespace crayon
