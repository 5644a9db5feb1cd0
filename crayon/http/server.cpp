#include "crayon/http/server.h"

#include <fmt/format.h>
#include <httplib.h>

#include <algorithm>
#include <charconv>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <set>
#include <thread>
#include <typeinfo>

#include "crayon/base/interrupt.h"
#include "crayon/base/log.h"
#include "crayon/base/text.h"
#include "crayon/http/internal/access.h"
#include "crayon/http/internal/connection.h"

namespace crayon {
namespace {

constexpr std::size_t kHeadBytes = 64u << 10;  // most bytes of request line and headers
constexpr std::chrono::seconds kStopGrace{5};  // how long stop() lets requests run on
thread_local Connection* current = nullptr;    // of the request that this thread answers

// What the library reads from and writes to.
class Stream : public httplib::Stream {
 public:
  explicit Stream(Connection& connection) : connection_(connection) {}
  [[nodiscard]] bool is_readable() const override { return connection_.readable(); }
  [[nodiscard]] bool is_writable() const override { return connection_.writable(); }
  ssize_t read(char* out, std::size_t n) override { return connection_.read(out, n); }
  ssize_t write(const char* data, std::size_t n) override { return connection_.write(data, n); }
  void get_remote_ip_and_port(std::string&, int&) const override {}
  void get_local_ip_and_port(std::string&, int&) const override {}
  [[nodiscard]] socket_t socket() const override { return connection_.fd(); }

 private:
  Connection& connection_;
};

ServerResponse refusal(int status, ErrorCode code, const std::string& message) {
  return {status, openai_error_body(code, message), "application/json", {}, {}};
}

ServerResponse bad_request(int status, const std::string& message) {
  return refusal(status, ErrorCode::InvalidArgument, message);
}

ServerResponse too_large(std::size_t most) {
  return bad_request(413, fmt::format("the body has more than {} bytes, the limit", most));
}

// The answer to the exception that is being handled; `route` names no text of the user.
ServerResponse answer_to_exception(const std::string& route) {
  try {
    throw;
  } catch (const Error& error) {
    return refusal(info(error.code()).http_status, error.code(), error.what());
  } catch (const Interrupted&) {
    return refusal(503, ErrorCode::Unavailable, "the server is stopping");
  } catch (const std::exception& error) {
    log_warning(fmt::format("{}: internal error ({})", route, typeid(error).name()));
  } catch (...) {
    log_warning(fmt::format("{}: internal error", route));
  }
  return refusal(500, ErrorCode::Unavailable, "internal error; the server's log has a line on it");
}

bool send_event(httplib::DataSink& sink, std::string_view data) {
  if (current->gone()) return false;
  std::string event;
  for (bool more = true; more;) {
    const auto end = data.find('\n');
    event.append("data: ").append(data.substr(0, end)).push_back('\n');
    more = end != std::string_view::npos;
    if (more) data.remove_prefix(end + 1);
  }
  event.push_back('\n');
  return sink.write(event.data(), event.size());
}

void run_stream(const ServerResponse& response, const std::string& route, httplib::DataSink& sink) {
  try {
    response.stream([&](std::string_view data) { return send_event(sink, data); });
  } catch (...) {
    send_event(sink, answer_to_exception(route).body);
  }
  sink.done();
}

void write_out(ServerResponse&& response, const std::string& route, httplib::Response& out) {
  out.status = response.status;
  for (const auto& [name, value] : response.headers) out.set_header(name, one_line(value));
  if (!response.stream) {
    out.set_content(response.body, response.content_type);
    return;
  }
  out.set_header("Cache-Control", "no-cache");
  out.set_chunked_content_provider("text/event-stream", [response = std::move(response), route](
                                                            std::size_t, httplib::DataSink& sink) {
    run_stream(response, route, sink);
    return true;
  });
}

// A header's value; "" when it is not there.
std::string header(const ServerRequest& request, const char* name) {
  const auto found = request.headers.find(name);
  return found == request.headers.end() ? std::string() : found->second;
}

bool is_json(const ServerRequest& request) {
  const auto type = header(request, "content-type");
  return lowered(trimmed(std::string_view(type).substr(0, type.find(';')))) == "application/json";
}

// Does a body follow the head? One without a length would last until the client closes.
bool has_body(const ServerRequest& request) {
  const auto length = header(request, "content-length");
  return request.headers.contains("transfer-encoding") || !(length.empty() || length == "0");
}

// Refuses a body that the library could not or should not read, before it is read.
std::optional<ServerResponse> refuse_body(const ServerRequest& request, std::size_t max_bytes) {
  const auto length = header(request, "content-length");
  if (request.headers.contains("transfer-encoding")) {
    if (lowered(header(request, "transfer-encoding")) != "chunked" || !length.empty()) {
      return bad_request(400,
                         "header Transfer-Encoding is not 'chunked', or there is a "
                         "Content-Length beside it; send one of the two");
    }
  } else if (length.empty()) {
    return bad_request(411, "no header Content-Length; expected the number of the body's bytes");
  }
  std::uint64_t bytes = 0;
  const auto [end, error] = std::from_chars(length.data(), length.data() + length.size(), bytes);
  if (!length.empty() && (error != std::errc() || end != length.data() + length.size())) {
    return bad_request(400, "header Content-Length is not a number of bytes");
  }
  if (!is_json(request)) {
    return bad_request(415, "header Content-Type is not 'application/json', which is expected");
  }
  const auto encoding = lowered(header(request, "content-encoding"));
  if (!encoding.empty() && encoding != "identity") {
    return bad_request(415, "header Content-Encoding is given; expected a body as it is");
  }
  if (bytes > max_bytes) return too_large(max_bytes);
  return {};
}

}  // namespace

struct HttpServer::Impl : httplib::Server {
  explicit Impl(HttpServerOptions o) : options(std::move(o)) {}

  bool process_and_close_socket(socket_t sock) override;
  void answer(const httplib::Request& in, httplib::Response& out,
              const httplib::ContentReader* reader);
  ServerResponse respond(ServerRequest& request, std::string& route,
                         const httplib::ContentReader* reader);
  // Each answers the request when it is to be refused.
  std::optional<ServerResponse> refuse(const ServerRequest& request) const;
  std::optional<ServerResponse> find_handler(const ServerRequest& request, std::string& route,
                                             const crayon::Handler*& handler) const;
  std::optional<ServerResponse> read_body(const httplib::ContentReader& reader,
                                          ServerRequest& request) const;
  void catch_all();

  HttpServerOptions options;
  std::map<std::string, std::map<std::string, crayon::Handler>> routes;  // by path, then method
  int port = 0;
  int listening = -1;
  std::thread thread;
  std::mutex mutex;
  std::condition_variable changed;
  std::set<Connection*> connections;  // guarded by mutex
  bool stopping = false;              // guarded by mutex
};

bool HttpServer::Impl::process_and_close_socket(socket_t sock) {
  Connection connection(sock, kHeadBytes);
  const std::size_t body_bytes = 2 * options.max_body_bytes;  // with the sizes of its chunks
  bool ok = false;
  {
    const std::lock_guard lock(mutex);
    ok = !stopping;
    if (ok) connections.insert(&connection);
  }
  if (ok) {
    current = &connection;
    Stream stream(connection);
    bool closed = false;
    ok = process_request(stream, true, closed, [&](httplib::Request& request) {
      connection.allow(body_bytes);              // the head is read
      request.ranges.clear();                    // no route answers with a part
      request.headers.erase("Accept-Encoding");  // loopback needs no compression
    });
    current = nullptr;
    if (!connection.all_read) connection.drop_rest(body_bytes);
    const std::lock_guard lock(mutex);
    connections.erase(&connection);
    changed.notify_all();
  }
  ::shutdown(sock, SHUT_RDWR);
  ::close(sock);
  return ok;
}

std::optional<ServerResponse> HttpServer::Impl::refuse(const ServerRequest& request) const {
  if (is_loopback(options.host)) {
    if (!host_allowed(header(request, "host"), options.host)) {
      return bad_request(403, "header Host is not a name of this server; use " +
                                  fmt::format("{}:{}", options.host, port));
    }
    if (request.headers.contains("origin") &&
        !origin_allowed(header(request, "origin"), options.host)) {
      return bad_request(403, "header Origin names another site; its pages may not ask here");
    }
  }
  const auto& open = options.open_paths;
  const bool is_open = std::find(open.begin(), open.end(), request.path) != open.end();
  if (options.key.empty() || is_open || key_matches(header(request, "authorization"), options.key))
    return {};
  auto response = bad_request(401, "no key or a wrong one; send 'Authorization: Bearer KEY'");
  response.headers["WWW-Authenticate"] = "Bearer";
  return response;
}

std::optional<ServerResponse> HttpServer::Impl::find_handler(
    const ServerRequest& request, std::string& route, const crayon::Handler*& handler) const {
  const auto found = routes.find(request.path);
  if (found == routes.end()) {
    return refusal(404, ErrorCode::NotFound,
                   "no such path; the API is below /v1, as in /v1/models");
  }
  const auto& [path, methods] = *found;
  route = request.method + " " + path;
  const auto method = methods.find(request.method == "HEAD" ? "GET" : request.method);
  if (method == methods.end()) {
    auto response = bad_request(
        405, fmt::format("{} is not for {}; use {}", path, request.method, methods.begin()->first));
    response.headers["Allow"] = methods.begin()->first;
    return response;
  }
  handler = &method->second;
  return {};
}

std::optional<ServerResponse> HttpServer::Impl::read_body(const httplib::ContentReader& reader,
                                                          ServerRequest& request) const {
  if (request.method == "DELETE" && !has_body(request)) return {};  // the others always have one
  if (auto refused = refuse_body(request, options.max_body_bytes)) return refused;
  bool fits = true;
  const bool whole = reader([&](const char* data, std::size_t n) {
    fits = request.body.size() + n <= options.max_body_bytes;
    if (fits) request.body.append(data, n);
    return fits;
  });
  if (!fits) return too_large(options.max_body_bytes);
  if (!whole) return bad_request(400, "the request's body broke off");
  current->all_read = true;
  return {};
}

ServerResponse HttpServer::Impl::respond(ServerRequest& request, std::string& route,
                                         const httplib::ContentReader* reader) {
  current->all_read = !has_body(request);
  const crayon::Handler* handler = nullptr;
  auto refused = refuse(request);
  if (!refused) refused = find_handler(request, route, handler);
  if (!refused && reader != nullptr) refused = read_body(*reader, request);
  current->answering = true;
  return refused ? std::move(*refused) : (*handler)(request);
}

void HttpServer::Impl::answer(const httplib::Request& in, httplib::Response& out,
                              const httplib::ContentReader* reader) {
  ServerRequest request{in.method, in.path, {}, {}, {}, [c = current] { return c->gone(); }};
  for (const auto& [name, value] : in.headers) {
    const auto [there, is_new] = request.headers.emplace(lowered(name), value);
    if (!is_new) there->second += ", " + value;  // RFC 9110, 5.3
  }
  for (const auto& [name, value] : in.params) request.query.emplace(name, value);
  std::string route = in.method;
  ServerResponse response;
  try {
    response = respond(request, route, reader);
  } catch (...) {
    response = answer_to_exception(route);
  }
  write_out(std::move(response), route, out);
}

void HttpServer::Impl::catch_all() {
  const auto plain = [this](const httplib::Request& in, httplib::Response& out) {
    answer(in, out, nullptr);
  };
  const auto with_body = [this](const httplib::Request& in, httplib::Response& out,
                                const httplib::ContentReader& reader) { answer(in, out, &reader); };
  Get(".*", plain).Options(".*", plain).Delete(".*", plain);
  Post(".*", with_body).Put(".*", with_body).Patch(".*", with_body).Delete(".*", with_body);
  set_error_handler([](const httplib::Request&, httplib::Response& out) {
    if (out.body.empty())
      out.set_content(bad_request(out.status, "not a valid HTTP request").body, "application/json");
  });
}

HttpServer::HttpServer(HttpServerOptions options) {
  if (options.host.starts_with('[') && options.host.ends_with(']')) {
    options.host = options.host.substr(1, options.host.size() - 2);
  }
  if (!is_loopback(options.host) && options.key.empty()) {
    throw Error(
        ErrorCode::InvalidArgument,
        fmt::format("host '{}' can be reached from other machines and there is no key; give "
                    "a key, or use 127.0.0.1",
                    options.host));
  }
  if (options.port < 0 || options.port > 65535 || options.threads < 1 || options.threads > 1024) {
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("port {} or {} threads; expected 0 to 65535 and 1 to 1024",
                            options.port, options.threads));
  }
  impl_ = std::make_unique<Impl>(std::move(options));
}

HttpServer::~HttpServer() { stop(); }

void HttpServer::route(const std::string& method, const std::string& path, Handler handler) {
  impl_->routes[path][method] = std::move(handler);
}

int HttpServer::start() {
  auto& impl = *impl_;
  const auto& host = impl.options.host;
  impl.catch_all();
  impl.new_task_queue = [n = static_cast<std::size_t>(impl.options.threads)] {
    return new httplib::ThreadPool(n);  // the library takes ownership
  };
  impl.set_socket_options([&impl](socket_t sock) {
    // Not the library's SO_REUSEPORT, with which two servers may share a port unnoticed.
    const int yes = 1;
    setsockopt(sock, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    impl.listening = sock;
  });
  impl.set_tcp_nodelay(true);
  impl.port = impl.options.port;
  const bool bound = impl.port == 0 ? (impl.port = impl.bind_to_any_port(host)) > 0
                                    : impl.bind_to_port(host, impl.port);
  if (!bound) {
    throw Error(
        ErrorCode::Unavailable,
        fmt::format("cannot listen on {} port {}: the port is taken, or the host is not this "
                    "machine's; choose another (port 0 picks a free one)",
                    host, impl.options.port));
  }
  listen(impl.listening, 128);  // the library's backlog is 5
  impl.thread = std::thread([&impl] { impl.listen_after_bind(); });
  while (!impl.is_running()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  return impl.port;
}

void HttpServer::stop() {
  auto& impl = *impl_;
  if (!impl.thread.joinable()) return;
  static_cast<httplib::Server&>(impl).stop();
  {
    std::unique_lock lock(impl.mutex);
    impl.stopping = true;
    for (auto* connection : impl.connections) {
      if (!connection->answering) connection->shut();
    }
    impl.changed.wait_for(lock, kStopGrace, [&] { return impl.connections.empty(); });
    for (auto* connection : impl.connections) connection->shut();
  }
  impl.thread.join();
}

std::string HttpServer::url() const {
  const auto& host = impl_->options.host;
  const bool v6 = host.find(':') != std::string::npos;
  return fmt::format("http://{}:{}", v6 ? "[" + host + "]" : host, impl_->port);
}

}  // namespace crayon
