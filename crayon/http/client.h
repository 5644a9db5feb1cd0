// HTTP requests with deadlines that hold: connect, silence, and the whole. Redirects are never
// followed; TLS certificates are verified. URL and key come from the operator, never from a
// request.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <string_view>

namespace crayon {

struct HttpTimeouts {
  std::chrono::milliseconds connect{5000};      ///< Name look-up and TCP connection.
  std::chrono::milliseconds first_byte{60000};  ///< Longest silence, before and inside the answer.
  std::chrono::milliseconds total{120000};      ///< From the call to the last byte.
};

struct HttpRequest {
  std::string method = "GET";
  std::string path{};  ///< Below the base URL: "/v1/models".
  std::map<std::string, std::string> headers{};
  std::string body{};
  std::string content_type = "application/json";  ///< Sent when there is a body.
  bool return_redirect = false;  ///< Return a redirect (see its "location") instead of throwing.
};

struct HttpResponse {
  int status = 0;
  std::map<std::string, std::string> headers;  ///< Lower-case names.
  std::string body;                            ///< Empty when it was streamed.
};

/// A piece of a streamed body; false cancels. What it throws comes out of send().
using OnBody = std::function<bool(std::string_view)>;

/// Safe to use from several threads: each request has a connection of its own.
class HttpClient {
 public:
  /// @param base_url  "http://host:port/prefix" or https
  /// @throws Error InvalidArgument  not such a URL; Unsupported: another scheme
  explicit HttpClient(const std::string& base_url, HttpTimeouts timeouts = {},
                      std::size_t max_body_bytes = 64u << 20);

  /// Any status is returned but redirects. Ctrl-C ends the request with Interrupted.
  ///
  /// @param on_body  when given, gets the body of a 2xx response as it arrives; when it cancels,
  ///                 the response is returned with what came before the body
  /// @throws Error Unavailable      refused, reset, too slow (which deadline), TLS, a redirect (to
  ///                                where), body too large; says the host
  /// @throws Error InvalidArgument  a path or header with control characters
  [[nodiscard]] HttpResponse send(const HttpRequest& request, const OnBody& on_body = {}) const;
  /// "http://host:port", what messages call the server.
  [[nodiscard]] const std::string& origin() const { return origin_; }

 private:
  std::string origin_, host_, prefix_;
  bool tls_ = false;
  int port_ = 0;
  HttpTimeouts timeouts_;
  std::size_t max_body_bytes_;
};

/// Splits a text/event-stream into the data of its events, whatever the pieces it comes in.
/// Comments and other fields are skipped; an event without its blank line at the end never comes.
class SseParser {
 public:
  /// @param max_event_bytes  longest line and longest data of one event
  explicit SseParser(std::size_t max_event_bytes = 4u << 20) : max_event_bytes_(max_event_bytes) {}

  /// Calls `on_data` for each whole event in order; returns false once that did.
  /// @throws Error CorruptFile  an event longer than the cap
  bool feed(std::string_view piece, const std::function<bool(std::string_view)>& on_data);

 private:
  bool take_line(std::string_view line, const std::function<bool(std::string_view)>& on_data);
  void check_size(std::size_t bytes) const;

  std::size_t max_event_bytes_;
  std::string line_;        ///< A line whose end has not come.
  std::string data_;        ///< Data lines of the event so far, each with its line feed.
  bool has_data_ = false;   ///< A data line came, be it empty.
  bool skip_feed_ = false;  ///< The last byte was a carriage return: a line feed belongs to it.
  bool first_line_ = true;  ///< A byte order mark may stand before the first line.
  bool ended_ = false;      ///< on_data returned false.
};

}  // namespace crayon
