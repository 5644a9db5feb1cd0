// HTTP requests with deadlines that hold: connect, silence, and the whole. Redirects to another
// host are never followed; TLS certificates are verified. URL and key come from the operator, never
// from a request.
#pragma once

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "crayon/base/error.h"

namespace crayon {

struct HttpTimeouts {
  std::chrono::milliseconds connect{5000};      ///< Name look-up and TCP connection.
  std::chrono::milliseconds first_byte{60000};  ///< Longest silence, before and inside the answer.
  std::chrono::milliseconds total{120000};      ///< From the call to the last byte.
};

/// How far a request had come when it failed: what tells whether it is safe to ask again.
enum class HttpStage {
  Unsent,      ///< Look-up, connection or TLS handshake: no byte of the request left.
  Unanswered,  ///< Sent, at least in part; nothing whole came back.
  Answering,   ///< The answer had begun.
};

/// A request that the network or the server failed.
class HttpError : public Error {
 public:
  HttpError(const std::string& message, HttpStage stage, bool lasting = false)
      : Error(ErrorCode::Unavailable, message), stage_(stage), lasting_(lasting) {}
  [[nodiscard]] HttpStage stage() const noexcept { return stage_; }
  /// Asking again cannot help: a certificate that is refused, a redirect, a body too large.
  [[nodiscard]] bool lasting() const noexcept { return lasting_; }

 private:
  HttpStage stage_;
  bool lasting_;
};

struct HttpRequest {
  std::string method = "GET";
  std::string path{};  ///< Below the base URL: "/v1/models".
  std::map<std::string, std::string> headers{};
  std::string body{};
  std::string content_type = "application/json";  ///< Sent when there is a body.
  bool return_redirect = false;  ///< Return a redirect (see its "location") instead of throwing.
  /// Follow up to 3 redirects that stay on the same scheme, host and port: of any method when the
  /// status keeps the method (307, 308), else of GET alone.
  bool follow_same_origin = false;
  std::optional<HttpTimeouts> timeouts{};  ///< In place of the client's.
};

struct HttpResponse {
  int status = 0;                              ///< 0: cancelled before the answer began.
  std::map<std::string, std::string> headers;  ///< Lower-case names.
  std::string body;                            ///< Empty when it was streamed.
  bool cancelled = false;                      ///< By a hook; the body is then not whole.
};

/// A piece of a streamed body; false cancels. What it throws comes out of send().
using OnBody = std::function<bool(std::string_view)>;

/// What a caller hears of a request under way. Each may be empty.
struct HttpHooks {
  OnBody on_body{};  ///< Gets the body of a 2xx response as it arrives.
  /// Called when the host's addresses are known, just before the first socket is opened, and again
  /// for each redirect. What it throws comes out of send(), and nothing is sent.
  std::function<void()> before_connect{};
  /// Asked every 50 ms or so, also from another thread; true, or a throw, ends the request.
  std::function<bool()> cancelled{};
};

/// The numeric addresses of a host ("127.0.0.1", "::1") in the order to try; none: not known.
using NameLookUp = std::function<std::vector<std::string>(const std::string& host)>;

struct HttpClientOptions {
  HttpTimeouts timeouts{};
  std::size_t max_body_bytes = 64u << 20;
  /// PEM file of the authorities to trust, in place of the system's store.
  std::filesystem::path ca_file{};
  NameLookUp look_up{};  ///< In place of the system's. Runs on a thread of its own.
};

class HostNames;
struct Url;

/// Safe to use from several threads: each request has a connection of its own.
class HttpClient {
 public:
  /// @param base_url  "http://host:port/prefix" or https
  /// @throws Error InvalidArgument  not such a URL, a CA file without a certificate; NotFound: no
  ///                                such CA file; Unsupported: another scheme
  HttpClient(const std::string& base_url, HttpClientOptions options);
  explicit HttpClient(const std::string& base_url, HttpTimeouts timeouts = {},
                      std::size_t max_body_bytes = 64u << 20);

  /// Any status is returned but redirects. Ctrl-C ends the request with Interrupted.
  ///
  /// @param hooks  when one cancels, the response is returned with what came so far
  /// @throws HttpError              refused, reset, too slow (which deadline), TLS (why), a
  /// redirect
  ///                                (to where), a body too large, endless or compressed (we ask for
  ///                                neither); says the host
  /// @throws Error InvalidArgument  a path or header with control characters
  [[nodiscard]] HttpResponse send(const HttpRequest& request, const HttpHooks& hooks) const;
  [[nodiscard]] HttpResponse send(const HttpRequest& request, const OnBody& on_body = {}) const;
  /// "http://host:port", what messages call the server.
  [[nodiscard]] const std::string& origin() const;

 private:
  [[nodiscard]] HttpResponse exchange(const HttpRequest& request, const std::string& path,
                                      const HttpHooks& hooks,
                                      std::chrono::steady_clock::time_point start) const;

  std::shared_ptr<const Url> url_;  ///< Shared by copies, as the next.
  HttpClientOptions options_;
  std::shared_ptr<HostNames> names_;  ///< The look-up under way.
};

/// Splits a text/event-stream into the data of its events, whatever the pieces it comes in.
/// Comments and other fields are skipped; an event without its blank line at the end never comes.
class SseParser {
 public:
  /// @param max_event_bytes  longest line and longest data of one event
  /// @param name             of whom the messages speak
  explicit SseParser(std::size_t max_event_bytes = 4u << 20, std::string name = "event stream")
      : max_event_bytes_(max_event_bytes), name_(std::move(name)) {}

  /// Calls `on_data` for each whole event in order; returns false once that did.
  /// @throws Error CorruptFile  an event longer than the cap
  bool feed(std::string_view piece, const std::function<bool(std::string_view)>& on_data);

 private:
  bool take_line(std::string_view line, const std::function<bool(std::string_view)>& on_data);
  void check_size(std::size_t bytes) const;

  std::size_t max_event_bytes_;
  std::string name_;
  std::string line_;        ///< A line whose end has not come.
  std::string data_;        ///< Data lines of the event so far, each with its line feed.
  bool has_data_ = false;   ///< A data line came, be it empty.
  bool skip_feed_ = false;  ///< The last byte was a carriage return: a line feed belongs to it.
  bool first_line_ = true;  ///< A byte order mark may stand before the first line.
  bool ended_ = false;      ///< on_data returned false.
};

}  // namespace crayon
