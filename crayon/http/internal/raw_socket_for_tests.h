// Bare TCP on loopback for tests: what no well-behaved client or server would send.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <string>
#include <string_view>
#include <thread>

namespace crayon {

inline sockaddr_in loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

inline void send_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const auto n = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0) return;
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
}

/// All bytes until the peer closes.
inline std::string receive_all(int fd) {
  std::string all;
  char buffer[4096];
  for (ssize_t n = 0; (n = recv(fd, buffer, sizeof(buffer), 0)) > 0;) {
    all.append(buffer, static_cast<std::size_t>(n));
  }
  return all;
}

/// Reads until the blank line behind an HTTP head.
inline std::string receive_head(int fd) {
  std::string head;
  char byte = 0;
  while (!head.ends_with("\r\n\r\n") && recv(fd, &byte, 1, 0) == 1) head.push_back(byte);
  return head;
}

inline int connect_raw(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  const auto address = loopback(port);
  EXPECT_EQ(connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  return fd;
}

/// Sends `bytes` and returns all that comes back.
inline std::string exchange_raw(int port, std::string_view bytes) {
  const int fd = connect_raw(port);
  send_all(fd, bytes);
  auto answer = receive_all(fd);
  close(fd);
  return answer;
}

/// Accepts one connection, lets `serve` talk on it, closes it.
class RawServer {
 public:
  explicit RawServer(std::function<void(int fd)> serve)
      : listener_(socket(AF_INET, SOCK_STREAM, 0)) {
    auto address = loopback(0);
    socklen_t bytes = sizeof(address);
    auto* any = reinterpret_cast<sockaddr*>(&address);
    EXPECT_EQ(bind(listener_, any, bytes), 0);
    EXPECT_EQ(listen(listener_, 8), 0);
    EXPECT_EQ(getsockname(listener_, any, &bytes), 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this, serve = std::move(serve)] {
      const int fd = accept(listener_, nullptr, nullptr);
      if (fd < 0) return;
      serve(fd);
      close(fd);
    });
  }
  RawServer(const RawServer&) = delete;
  RawServer& operator=(const RawServer&) = delete;
  ~RawServer() {
    shutdown(listener_, SHUT_RDWR);
    thread_.join();
    close(listener_);
  }
  [[nodiscard]] std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }

 private:
  int listener_;
  int port_ = 0;
  std::thread thread_;
};

}  // namespace crayon
