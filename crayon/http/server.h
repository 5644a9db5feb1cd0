// A small HTTP server: routes with JSON bodies, server-sent events, the error body of the OpenAI
// API. Loopback by default; beyond it a key is required. Host and Origin are checked against
// rebinding.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "crayon/base/error.h"

namespace crayon {

struct ServerRequest {
  std::string method;
  std::string path;
  std::map<std::string, std::string> headers;  ///< Lower-case names.
  std::map<std::string, std::string> query;
  std::string body;
  std::function<bool()> disconnected;  ///< Has the client gone? Valid while the answer is made.
};

/// Sends one server-sent event's data; false when the client has gone.
using SendEvent = std::function<bool(std::string_view data)>;

struct ServerResponse {
  int status = 200;
  std::string body{};
  std::string content_type = "application/json";
  std::map<std::string, std::string> headers{};
  /// When set, the body is an event stream that this writes; an Error thrown in it becomes an error
  /// event.
  std::function<void(const SendEvent&)> stream{};
};

/// May throw Error: it becomes the status of its code and the OpenAI error body. Anything else that
/// it throws is answered 500 and logged without its text. Runs on several threads at once.
using Handler = std::function<ServerResponse(const ServerRequest&)>;

struct HttpServerOptions {
  std::string host = "127.0.0.1";
  int port = 0;                           ///< 0 picks a free one.
  std::string key{};                      ///< Bearer token; required when host is not loopback.
  std::vector<std::string> open_paths{};  ///< Answered without the key: "/health".
  std::size_t max_body_bytes = 8u << 20;  ///< Larger bodies are answered 413.
  int threads = 8;                        ///< Requests that run at once; others wait.
};

/// Answers 401, 403 (Host, Origin), 404, 405, 411, 413 and 415 by itself, before it reads the body.
/// One request a connection: an idle connection would hold one of the threads.
class HttpServer {
 public:
  /// @throws Error InvalidArgument  not loopback and no key; a port or number of threads out of
  /// range
  explicit HttpServer(HttpServerOptions options);
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;
  ~HttpServer();  ///< Stops.
  /// Before start() only. A GET route answers HEAD too.
  void route(const std::string& method, const std::string& path, Handler handler);
  /// Binds and listens on threads of its own; returns the port. Once only.
  /// @throws Error Unavailable  port taken
  int start();
  /// Lets running requests end (at most 5 s), then closes their connections and waits for the
  /// handlers, which must look at `disconnected`.
  void stop();
  [[nodiscard]] std::string url() const;  ///< "http://127.0.0.1:8080"

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// {"error": {"message", "type", "code"}} as OpenAI-compatible servers answer.
[[nodiscard]] std::string openai_error_body(ErrorCode code, const std::string& message);

}  // namespace crayon
