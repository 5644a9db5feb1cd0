// HTTP requests with deadlines that hold: connect, first byte, and the whole. No redirects to other
// hosts; TLS certificates are verified. URL and key come from the operator, never from a request.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <string>
#include <string_view>

namespace crayon {

struct HttpTimeouts {
  std::chrono::milliseconds connect{5000};
  std::chrono::milliseconds first_byte{60000};
  std::chrono::milliseconds total{120000};
};

struct HttpRequest {
  std::string method = "GET";
  std::string path;  ///< Below the base URL: "/v1/models".
  std::map<std::string, std::string> headers;
  std::string body;
  std::string content_type = "application/json";
};

struct HttpResponse {
  int status = 0;
  std::map<std::string, std::string> headers;  ///< Lower-case names.
  std::string body;                            ///< Empty when it was streamed.
};

/// A piece of a streamed body; false cancels.
using OnBody = std::function<bool(std::string_view)>;

class HttpClient {
 public:
  /// @param base_url  "http://host:port/prefix" or https
  /// @throws Error InvalidArgument  not such a URL; Unsupported: another scheme
  explicit HttpClient(const std::string& base_url, HttpTimeouts timeouts = {},
                      std::size_t max_body_bytes = 64u << 20);

  /// @param on_body  when given, gets the body of a 2xx response as it arrives
  /// @throws Error Unavailable  refused, reset, too slow (which deadline), TLS, body too large; says the host
  [[nodiscard]] HttpResponse send(const HttpRequest& request, const OnBody& on_body = {}) const;
  [[nodiscard]] const std::string& base_url() const { return base_url_; }

 private:
  std::string base_url_, origin_, prefix_;
  HttpTimeouts timeouts_;
  std::size_t max_body_bytes_;
};

/// Splits a text/event-stream into the data of its events, whatever the pieces it comes in.
class SseParser {
 public:
  /// Calls `on_data` for each whole event in order; returns false once that did.
  bool feed(std::string_view piece, const std::function<bool(std::string_view)>& on_data);

 private:
  std::string buffer_;
  std::string data_;
};

}  // namespace crayon
