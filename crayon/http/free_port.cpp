#include "crayon/http/free_port.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <random>
#include <system_error>

#include "crayon/base/error.h"
#include "crayon/http/internal/connect.h"

namespace crayon {
namespace {

constexpr int kFirst = 20000;
constexpr int kLast = 31999;
constexpr int kTries = 100;

/// 0, or why the port cannot be had.
int try_port(int port) {
  const FileDescriptor fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (fd.get() < 0) return errno;
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const auto* plain = reinterpret_cast<const sockaddr*>(&address);
  return bind(fd.get(), plain, sizeof address) == 0 ? 0 : errno;
}

}  // namespace

int free_port() {
  std::random_device device;
  std::uniform_int_distribution<int> ports(kFirst, kLast);
  int reason = 0;
  for (int i = 0; i < kTries; ++i) {
    const int port = ports(device);
    reason = try_port(port);
    if (reason == 0) return port;
  }
  throw Error(ErrorCode::Unavailable,
              fmt::format("no free port of 127.0.0.1 in {} tries from {} to {} ({}); name one",
                          kTries, kFirst, kLast, std::generic_category().message(reason)));
}

}  // namespace crayon
