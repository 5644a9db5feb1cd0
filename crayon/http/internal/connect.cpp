#include "crayon/http/internal/connect.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "crayon/base/interrupt.h"

namespace crayon {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kTick{50};  // how long an interrupt may go unseen

[[noreturn]] void fail(const Connecting& how, const std::string& what) {
  throw HttpError(how.origin + ": " + what, HttpStage::Unsent);
}

std::string too_slow(std::chrono::milliseconds timeout) {
  return fmt::format("no connection within {} ms; is the address right, and the server running?",
                     timeout.count());
}

bool cancelled(const Connecting& how) { return how.cancelled && how.cancelled(); }

// 0 when connected, else an errno; ETIMEDOUT at the deadline, ECANCELED when cancelled.
int wait_connected(int fd, Clock::time_point deadline, const Connecting& how) {
  for (;;) {
    throw_if_interrupted();
    if (cancelled(how)) return ECANCELED;
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

int try_connect(int fd, const Address& address, Clock::time_point deadline, const Connecting& how) {
  const int flags = fcntl(fd, F_GETFL);
  fcntl(fd, F_SETFL, flags | O_NONBLOCK);
  const auto* target = reinterpret_cast<const sockaddr*>(&address.storage);
  int error = connect(fd, target, address.bytes) == 0 ? 0 : errno;
  if (error == EINPROGRESS || error == EINTR) error = wait_connected(fd, deadline, how);
  fcntl(fd, F_SETFL, flags);
  return error;
}

// Null when cancelled.
std::shared_ptr<const Found> find(const Connecting& how, Clock::time_point deadline) {
  bool given_up = false;
  const auto found = how.names.find(deadline, [&] {
    given_up = interrupted() || cancelled(how);
    return given_up;
  });
  throw_if_interrupted();
  if (given_up) return nullptr;
  if (!found) fail(how, "the name look-up took too long: " + too_slow(how.timeout));
  if (!found->error.empty()) {
    fail(how,
         fmt::format("the name '{}' was not found ({}); check the URL", how.host, found->error));
  }
  return found;
}

}  // namespace

FileDescriptor::~FileDescriptor() {
  if (fd_ >= 0) ::close(fd_);
}

FileDescriptor connect_to(const Connecting& how) {
  const auto deadline = Clock::now() + how.timeout;
  const auto found = find(how, deadline);
  if (!found) return FileDescriptor();
  if (how.before_connect) how.before_connect();
  int error = EADDRNOTAVAIL;
  auto untried = static_cast<std::int64_t>(found->addresses.size());
  for (const auto& address : found->addresses) {
    FileDescriptor fd(::socket(address.family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const auto now = Clock::now();  // an address that swallows everything leaves time for the next
    const auto until = now + std::max(deadline - now, Clock::duration::zero()) / untried--;
    error = fd.get() < 0 ? errno : try_connect(fd.get(), address, until, how);
    if (error == 0) {
      const int yes = 1;  // a request is written in two parts: do not wait for the first one's ACK
      setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
      return fd;
    }
    if (error == ECANCELED) return FileDescriptor();
  }
  if (error == ECONNREFUSED) fail(how, "refused the connection; is the server running?");
  if (error == ETIMEDOUT) fail(how, too_slow(how.timeout));
  fail(how, fmt::format("no connection ({}); check the URL and the network",
                        std::generic_category().message(error)));
}

}  // namespace crayon
