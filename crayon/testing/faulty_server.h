// An OpenAI-compatible server on loopback that misbehaves, on bare sockets: what no library would
// send. When it does answer, it says "B" to everything.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "crayon/testing/certificates.h"

struct ssl_ctx_st;
struct ssl_st;

namespace crayon {

/// One connection, plain or TLS, as the server's side sees it.
class FaultyPeer {
 public:
  FaultyPeer(int fd, const std::atomic<bool>& stopping) : fd_(fd), stopping_(stopping) {}
  FaultyPeer(const FaultyPeer&) = delete;
  FaultyPeer& operator=(const FaultyPeer&) = delete;
  ~FaultyPeer();  ///< Ends the answer and closes.

  /// The TLS handshake; false when the client refuses.
  bool handshake(ssl_ctx_st* context);
  /// Reads a whole request; false when none comes.
  bool read_request();
  /// False when the client has gone or the server stops.
  bool send(std::string_view bytes);
  /// Sends the same bytes over and over until the client goes; `pause_ms` between them.
  void send_forever(std::string_view bytes, int pause_ms = 0);
  void wait_for_close();  ///< Says nothing until the client has gone or the server stops.
  void reset();           ///< Closes with a reset.

  std::string request;  ///< As it came, head and body.
  std::string path;     ///< Of the request.
  bool stream = false;  ///< It asks for a stream.
  int nth = 0;          ///< Connections that the server had before.

 private:
  [[nodiscard]] bool wait(short events) const;
  long receive(char* out, std::size_t n);

  int fd_;
  const std::atomic<bool>& stopping_;
  ssl_st* tls_ = nullptr;
};

/// A way to misbehave, and what a client should make of it.
struct Fault {
  const char* name;
  /// What the answer's reason should hold; null: the server's answer should be taken.
  const char* reason;
  std::function<void(FaultyPeer&)> serve;
  bool slow = false;  ///< Only a deadline ends it.
  bool tls = false;
  CertificateFault certificate = CertificateFault::None;
  bool handshake = true;  ///< false: the https server speaks no TLS.
  /// A stream has said "B" before it goes wrong: the user has it, so nobody else may answer.
  bool spoke = false;
  /// What it takes where nothing else runs: a wait that it asks for, megabytes that it sends. Else
  /// nothing to speak of, or a deadline.
  std::chrono::milliseconds takes{0};
};

/// Every fault that a server can have on a connection: more than 40.
[[nodiscard]] const std::vector<Fault>& all_faults();

/// A whole good answer, streamed when asked so.
void answer_well(FaultyPeer& peer);

class FaultyServer {
 public:
  /// The fault of a connection, by its number; null: a good answer. Called on several threads.
  using Choose = std::function<const Fault*(int nth)>;

  /// @param threads  connections served at once
  FaultyServer(const TestAuthority& authority, Choose choose, int threads = 4);
  FaultyServer(const FaultyServer&) = delete;
  FaultyServer& operator=(const FaultyServer&) = delete;
  ~FaultyServer();

  /// Every connection speaks TLS at an https URL. @param tls  of the faults that are chosen
  [[nodiscard]] std::string url(bool tls = false) const;
  [[nodiscard]] int connections() const { return connections_; }

 private:
  void accept_all(const Choose& choose);
  void serve(int fd, const Fault* fault, int nth);

  int listener_ = -1;
  int port_ = 0;
  std::vector<std::shared_ptr<ssl_ctx_st>> contexts_;  // by CertificateFault
  std::atomic<bool> stopping_ = false;
  std::atomic<int> connections_ = 0;
  std::vector<std::thread> threads_;
};

}  // namespace crayon
