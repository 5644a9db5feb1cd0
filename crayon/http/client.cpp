#include "crayon/http/client.h"

#include <fmt/format.h>
#include <httplib.h>

#include <algorithm>
#include <charconv>
#include <csignal>
#include <exception>

#include "crayon/base/error.h"
#include "crayon/base/interrupt.h"
#include "crayon/base/text.h"
#include "crayon/http/internal/connect.h"
#include "crayon/http/internal/watchdog.h"

namespace crayon {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kMostShown = 200;  // bytes of a header in a message

[[noreturn]] void bad_url(const std::string& url, const std::string& what) {
  throw Error(ErrorCode::InvalidArgument,
              fmt::format("URL '{}': {}; expected http://HOST:PORT or https://HOST", url, what));
}

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](unsigned char c) { return c < 0x20 || c == 0x7F; });
}

int parse_port(const std::string& url, std::string_view text) {
  int port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size() || port < 1 || port > 65535) {
    bad_url(url, fmt::format("port '{}' is not a number from 1 to 65535", text));
  }
  return port;
}

// Splits "host:port" or "[v6]:port"; no port is left as it is.
std::string split_authority(const std::string& url, std::string_view authority, int& port) {
  const bool v6 = authority.starts_with('[');
  const auto close = authority.find(']');
  if (v6 && close == std::string_view::npos) bad_url(url, "'[' without ']'");
  const auto host = v6 ? authority.substr(1, close - 1) : authority.substr(0, authority.find(':'));
  const auto rest = authority.substr(v6 ? close + 1 : host.size());
  if (host.empty()) bad_url(url, "no host");
  if (!rest.empty()) {
    if (rest.front() != ':') bad_url(url, "text after ']'");
    port = parse_port(url, rest.substr(1));
  }
  return std::string(host);
}

// A write to a connection that the server closed raises SIGPIPE, and the library does not turn it
// off: keep it from this thread and drop the one that came.
class SigpipeGuard {
 public:
  SigpipeGuard() {
    sigemptyset(&pipe_);
    sigaddset(&pipe_, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
  }
  SigpipeGuard(const SigpipeGuard&) = delete;
  SigpipeGuard& operator=(const SigpipeGuard&) = delete;
  ~SigpipeGuard() {
    const timespec now{};
    if (sigismember(&before_, SIGPIPE) == 0) {
      while (sigtimedwait(&pipe_, nullptr, &now) == SIGPIPE) continue;
    }
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }

 private:
  sigset_t pipe_, before_;
};

// A client of the library for one request, on a socket that is connected already.
template <typename Base>
class OneShot : public Base {
 public:
  OneShot(const std::string& host, int port, FileDescriptor socket)
      : Base(host, port), connected_(std::move(socket)) {}

 private:
  bool create_and_connect_socket(httplib::ClientImpl::Socket& socket, httplib::Error&) override {
    socket.sock = connected_.release();
    return true;
  }
  FileDescriptor connected_;
};

// One request under way: what the library calls back, and what became of it.
struct Exchange {
  Watchdog& watchdog;
  const OnBody& on_body;
  std::size_t max_body_bytes;
  HttpResponse response;
  std::size_t body_bytes = 0;
  bool too_large = false;
  bool cancelled = false;
  std::exception_ptr thrown;  // by on_body

  bool head(const httplib::Response& answer) {
    watchdog.alive();
    response.status = answer.status;
    for (const auto& [name, value] : answer.headers) {
      response.headers.emplace(lowered(name), value);
    }
    return true;
  }
  bool piece(std::string_view bytes) {
    body_bytes += bytes.size();
    too_large = body_bytes > max_body_bytes;
    if (too_large) return false;
    if (on_body && response.status / 100 == 2) {
      watchdog.hold();
      try {
        cancelled = !on_body(bytes);
      } catch (...) {
        thrown = std::current_exception();
        cancelled = true;
      }
    } else {
      response.body.append(bytes);
    }
    watchdog.alive();
    return !cancelled;
  }
};

httplib::Request to_library(const HttpRequest& request, const std::string& path,
                            Exchange& exchange) {
  httplib::Request out;
  out.method = request.method;
  out.path = path.empty() ? "/" : path;
  out.body = request.body;
  for (const auto& [name, value] : request.headers) out.set_header(name, value);
  if (!request.body.empty()) out.set_header("Content-Type", request.content_type);
  out.set_header("Accept-Encoding", "identity");
  out.set_header("User-Agent", "crayon");
  out.response_handler = [&exchange](const httplib::Response& r) { return exchange.head(r); };
  out.content_receiver = [&exchange](const char* data, std::size_t n, std::uint64_t,
                                     std::uint64_t) {
    return exchange.piece({data, n});
  };
  return out;
}

/// The watchdog ends what takes too long and knows why; the library's own deadlines stand behind
/// it.
void set_times(httplib::ClientImpl& client, const HttpTimeouts& timeouts) {
  const auto later = timeouts.total + std::chrono::seconds(10);
  client.set_connection_timeout(later);  // of the TLS handshake
  client.set_read_timeout(later);
  client.set_write_timeout(later);
  client.set_url_encode(false);
}

std::string reason(httplib::Error error, const Exchange& exchange) {
  switch (error) {
    case httplib::Error::SSLConnection:
      return "the TLS handshake failed; is this an https server?";
    case httplib::Error::SSLServerVerification:
      return "the TLS certificate was refused: not valid for this host, or its authority is not "
             "in the system's store";
    case httplib::Error::SSLLoadingCerts:
      return "the system's store of TLS certificates could not be read";
    default:
      return exchange.response.status == 0 ? "closed the connection before it answered"
                                           : "closed the connection inside its answer";
  }
}

bool is_redirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

void check_watchdog(const Watchdog& watchdog, const HttpTimeouts& timeouts,
                    const std::string& origin) {
  switch (watchdog.fired()) {
    case Watchdog::Fired::No:
      return;
    case Watchdog::Fired::Interrupted:
      throw Interrupted();
    case Watchdog::Fired::Silent:
      throw Error(ErrorCode::Unavailable, fmt::format("{}: sent nothing for {} ms, the limit",
                                                      origin, timeouts.first_byte.count()));
    case Watchdog::Fired::Total:
      throw Error(ErrorCode::Unavailable, fmt::format("{}: the answer took more than {} ms in all",
                                                      origin, timeouts.total.count()));
  }
}

void check_request(const HttpRequest& request, const std::string& origin) {
  const bool bad_path = has_control(request.path) || request.path.find(' ') != std::string::npos;
  if (bad_path || has_control(request.method) || has_control(request.content_type)) {
    throw Error(ErrorCode::InvalidArgument,
                origin + ": the path of the request holds a space or control character");
  }
  for (const auto& [name, value] : request.headers) {
    if (has_control(name) || has_control(value)) {
      throw Error(ErrorCode::InvalidArgument,
                  fmt::format("{}: header '{}' holds a control character, such as a line end; "
                              "remove it",
                              origin, one_line(name, kMostShown)));
    }
  }
}

httplib::Error run(httplib::ClientImpl& client, const HttpTimeouts& timeouts,
                   const httplib::Request& request, Exchange& exchange) {
  set_times(client, timeouts);
  const auto result = client.send(request);
  if (result && exchange.response.status == 0) exchange.head(*result);  // 204 and HEAD
  return result.error();
}

}  // namespace

HttpClient::HttpClient(const std::string& base_url, HttpTimeouts timeouts,
                       std::size_t max_body_bytes)
    : timeouts_(timeouts), max_body_bytes_(max_body_bytes) {
  if (base_url.find('@') != std::string::npos) {  // a password may stand there: do not repeat it
    throw Error(ErrorCode::InvalidArgument,
                "URL with '@': a user name or password in a URL is not used; give a key instead");
  }
  const auto scheme_end = base_url.find("://");
  if (scheme_end == std::string::npos) bad_url(base_url, "no scheme");
  const auto scheme = base_url.substr(0, scheme_end);
  if (scheme != "http" && scheme != "https") {
    throw Error(ErrorCode::Unsupported,
                fmt::format("URL '{}': scheme '{}'; expected http or https", base_url, scheme));
  }
  if (has_control(base_url) || base_url.find_first_of(" ?#") != std::string::npos) {
    bad_url(base_url, "holds a space, '?', '#' or a control character");
  }
  tls_ = scheme == "https";
  port_ = tls_ ? 443 : 80;
  const auto slash = std::min(base_url.find('/', scheme_end + 3), base_url.size());
  host_ = split_authority(base_url, base_url.substr(scheme_end + 3, slash - scheme_end - 3), port_);
  origin_ = base_url.substr(0, slash);
  prefix_ = base_url.substr(slash);
  while (prefix_.ends_with('/')) prefix_.pop_back();
}

HttpResponse HttpClient::send(const HttpRequest& request, const OnBody& on_body) const {
  throw_if_interrupted();
  check_request(request, origin_);
  const SigpipeGuard quiet;
  const auto start = Clock::now();
  auto socket = connect_to({host_, port_, origin_}, std::min(timeouts_.connect, timeouts_.total));
  Watchdog watchdog(socket.get(), timeouts_, start);
  Exchange exchange{watchdog, on_body, max_body_bytes_, {}, 0, false, false, {}};
  const auto sent = to_library(request, prefix_ + request.path, exchange);
  httplib::Error error = httplib::Error::Success;
  if (tls_) {
    OneShot<httplib::SSLClient> client(host_, port_, std::move(socket));
    SSL_CTX_set_min_proto_version(client.ssl_context(), TLS1_2_VERSION);
    error = run(client, timeouts_, sent, exchange);
  } else {
    OneShot<httplib::ClientImpl> client(host_, port_, std::move(socket));
    error = run(client, timeouts_, sent, exchange);
  }
  if (exchange.thrown) std::rethrow_exception(exchange.thrown);
  if (exchange.too_large) {
    throw Error(
        ErrorCode::Unavailable,
        fmt::format("{}: the answer has more than {} bytes, the limit", origin_, max_body_bytes_));
  }
  if (exchange.cancelled) return std::move(exchange.response);
  check_watchdog(watchdog, timeouts_, origin_);
  if (error != httplib::Error::Success) {
    throw Error(ErrorCode::Unavailable, origin_ + ": " + reason(error, exchange));
  }
  auto& response = exchange.response;
  if (is_redirect(response.status) && !request.return_redirect) {
    throw Error(
        ErrorCode::Unavailable,
        fmt::format("{}: answered {} and points to '{}', which is not followed; "
                    "use that URL if you trust it",
                    origin_, response.status, one_line(response.headers["location"], kMostShown)));
  }
  return std::move(response);
}

}  // namespace crayon
