#include "crayon/testing/faulty_server.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <stdexcept>

namespace crayon {
namespace {

constexpr int kTickMs = 20;  // how long a stop may go unseen

// OpenSSL writes with write(), whose SIGPIPE would end the test.
void ignore_broken_pipes() {
  sigset_t pipe;
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
}

}  // namespace

FaultyPeer::~FaultyPeer() {
  if (tls_ != nullptr) {
    if (fd_ >= 0 && SSL_is_init_finished(tls_) == 1) SSL_shutdown(tls_);
    SSL_free(tls_);
    ERR_clear_error();
  }
  if (fd_ < 0) return;
  shutdown(fd_, SHUT_WR);  // closing on unread bytes would reset the connection
  char rest[4096];
  for (int i = 0; i < 50 && wait(POLLIN); ++i) {
    if (recv(fd_, rest, sizeof(rest), 0) <= 0) break;
  }
  close(fd_);
}

bool FaultyPeer::wait(short events) const {
  for (int ticks = 0; !stopping_ && ticks < 60000 / kTickMs; ++ticks) {
    pollfd waited{fd_, events, 0};
    if (poll(&waited, 1, kTickMs) > 0) return true;
  }
  return false;
}

bool FaultyPeer::handshake(ssl_ctx_st* context) {
  tls_ = SSL_new(context);
  SSL_set_fd(tls_, fd_);
  return wait(POLLIN) && SSL_accept(tls_) == 1;
}

long FaultyPeer::receive(char* out, std::size_t n) {
  const bool waiting = tls_ != nullptr && SSL_pending(tls_) > 0;
  if (!waiting && !wait(POLLIN)) return -1;
  return tls_ != nullptr ? SSL_read(tls_, out, static_cast<int>(n)) : recv(fd_, out, n, 0);
}

bool FaultyPeer::read_request() {
  std::string bytes;
  char buffer[4096];
  std::size_t whole = 0;  // 0 until the head is there
  while (whole == 0 || bytes.size() < whole) {
    const long n = receive(buffer, sizeof(buffer));
    if (n <= 0) return false;
    bytes.append(buffer, static_cast<std::size_t>(n));
    const auto end = bytes.find("\r\n\r\n");
    if (whole != 0 || end == std::string::npos) continue;
    const auto length = bytes.find("Content-Length: ");
    whole = end + 4;
    if (length < end) whole += std::strtoul(bytes.c_str() + length + 16, nullptr, 10);
  }
  const auto begin = bytes.find(' ') + 1;
  path = bytes.substr(begin, bytes.find(' ', begin) - begin);
  stream = bytes.find("\"stream\":true") != std::string::npos;
  request = std::move(bytes);
  return true;
}

bool FaultyPeer::send(std::string_view bytes) {
  while (!bytes.empty()) {
    if (!wait(POLLOUT)) return false;
    const long n = tls_ != nullptr
                       ? SSL_write(tls_, bytes.data(), static_cast<int>(bytes.size()))
                       : ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

void FaultyPeer::send_forever(std::string_view bytes, int pause_ms) {
  char byte = 0;
  while (send(bytes)) {
    std::this_thread::sleep_for(std::chrono::milliseconds(pause_ms));
    if (recv(fd_, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0) return;
  }
}

void FaultyPeer::wait_for_close() {
  char rest[4096];
  while (wait(POLLIN)) {
    if (recv(fd_, rest, sizeof(rest), 0) <= 0) return;
  }
}

void FaultyPeer::reset() {
  const linger at_once{1, 0};
  setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
  close(fd_);
  fd_ = -1;
}

FaultyServer::FaultyServer(const TestAuthority& authority, Choose choose, int threads)
    : listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  for (const auto fault :
       {CertificateFault::None, CertificateFault::WrongName, CertificateFault::Expired,
        CertificateFault::NotYetValid, CertificateFault::SelfSigned}) {
    contexts_.push_back(authority.server(fault));
  }
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t bytes = sizeof(address);
  auto* any = reinterpret_cast<sockaddr*>(&address);
  if (bind(listener_, any, bytes) != 0 || listen(listener_, 128) != 0 ||
      getsockname(listener_, any, &bytes) != 0) {
    throw std::runtime_error("no socket on loopback for the test's server");
  }
  port_ = ntohs(address.sin_port);
  for (int i = 0; i < threads; ++i) {
    threads_.emplace_back([this, choose] { accept_all(choose); });
  }
}

FaultyServer::~FaultyServer() {
  stopping_ = true;
  shutdown(listener_, SHUT_RDWR);
  for (std::thread& thread : threads_) thread.join();
  close(listener_);
}

std::string FaultyServer::url(bool tls) const {
  return (tls ? "https://127.0.0.1:" : "http://127.0.0.1:") + std::to_string(port_);
}

void FaultyServer::accept_all(const Choose& choose) {
  ignore_broken_pipes();
  while (!stopping_) {
    const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) continue;
    const int nth = connections_++;
    serve(fd, choose(nth), nth);
  }
}

void FaultyServer::serve(int fd, const Fault* fault, int nth) {
  FaultyPeer peer(fd, stopping_);
  peer.nth = nth;
  if (fault != nullptr && fault->tls && fault->handshake) {
    const auto kind = static_cast<std::size_t>(fault->certificate);
    if (!peer.handshake(contexts_[kind].get())) return;
  }
  if (fault != nullptr) return fault->serve(peer);
  if (peer.read_request()) answer_well(peer);
}

}  // namespace crayon
