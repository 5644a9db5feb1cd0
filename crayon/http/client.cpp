#include "crayon/http/client.h"

#include <fmt/format.h>
#include <httplib.h>
#include <openssl/x509_vfy.h>

#include <algorithm>
#include <csignal>
#include <exception>
#include <memory>
#include <optional>

#include "crayon/base/error.h"
#include "crayon/base/interrupt.h"
#include "crayon/base/text.h"
#include "crayon/http/internal/connect.h"
#include "crayon/http/internal/url.h"
#include "crayon/http/internal/watchdog.h"

namespace crayon {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kMostShown = 200;  // bytes of a header in a message

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
  HttpResponse response{};
  std::size_t body_bytes = 0;
  bool too_large = false;
  bool compressed = false;
  bool cancelled = false;
  std::exception_ptr thrown{};  // by on_body

  bool head(const httplib::Response& answer) {
    watchdog.alive();
    response.status = answer.status;
    for (const auto& [name, value] : answer.headers) {
      response.headers.emplace(lowered(name), value);
    }
    const auto coding = response.headers.find("content-encoding");
    compressed = coding != response.headers.end() && !trimmed(coding->second).empty() &&
                 lowered(trimmed(coding->second)) != "identity";
    return !compressed;  // not asked for, and a few bytes of it may be a great many
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
void set_up(httplib::ClientImpl& client, const HttpTimeouts& timeouts) {
  const auto later = timeouts.total + std::chrono::seconds(10);
  client.set_connection_timeout(later);  // of the TLS handshake
  client.set_read_timeout(later);
  client.set_write_timeout(later);
  client.set_url_encode(false);
  client.set_decompress(false);
}

bool is_redirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

// One request on its own connection: who is asked, within what time, and what the library said.
struct Attempt {
  const Url& url;
  const HttpTimeouts& timeouts;
  const HttpClientOptions& options;
  httplib::Error error = httplib::Error::Success;
  long verified = X509_V_OK;  // what is wrong with the certificate's chain

  void run(httplib::ClientImpl& client, const httplib::Request& request, Exchange& exchange) {
    set_up(client, timeouts);
    const auto result = client.send(request);
    if (result && exchange.response.status == 0) exchange.head(*result);  // 204 and HEAD
    error = result.error();
  }
  void run(FileDescriptor socket, const httplib::Request& request, Exchange& exchange) {
    if (!url.tls) {
      OneShot<httplib::ClientImpl> client(url.host, url.port, std::move(socket));
      return run(client, request, exchange);
    }
    OneShot<httplib::SSLClient> client(url.host, url.port, std::move(socket));
    SSL_CTX_set_min_proto_version(client.ssl_context(), TLS1_2_VERSION);
    if (!options.ca_file.empty()) client.set_ca_cert_path(options.ca_file.string());
    run(client, request, exchange);
    verified = client.get_openssl_verify_result();
  }

  [[nodiscard]] bool in_handshake() const {
    return error == httplib::Error::SSLConnection ||
           error == httplib::Error::SSLServerVerification ||
           error == httplib::Error::SSLLoadingCerts;
  }
  [[nodiscard]] HttpStage stage(const Exchange& exchange) const {
    if (in_handshake()) return HttpStage::Unsent;
    return exchange.response.status == 0 ? HttpStage::Unanswered : HttpStage::Answering;
  }

  [[nodiscard]] std::string reason(const Exchange& exchange) const {
    switch (error) {
      case httplib::Error::SSLConnection:
        return "the TLS handshake failed; is this an https server?";
      case httplib::Error::SSLServerVerification:
        return "the TLS certificate was refused: " + certificate_fault();
      case httplib::Error::SSLLoadingCerts:
        return "the authorities' TLS certificates could not be read";
      default:
        return exchange.response.status == 0 ? "closed the connection before it answered"
                                             : "closed the connection inside its answer";
    }
  }
  [[nodiscard]] std::string certificate_fault() const {
    if (verified == X509_V_OK) {
      return fmt::format("it is not valid for the host '{}'; check the URL", url.host);
    }
    return fmt::format("{}; if you trust its authority, name a CA file with that",
                       X509_verify_cert_error_string(verified));
  }

  // Throws what the watchdog ended; false when the caller did.
  [[nodiscard]] bool check(const Watchdog& watchdog, const Exchange& exchange) const {
    const auto fail = [&](const std::string& what, bool lasting = false) {
      throw HttpError(url.origin + ": " + what, stage(exchange), lasting);
    };
    switch (watchdog.fired()) {
      case Watchdog::Fired::No:
        break;
      case Watchdog::Fired::Interrupted:
        throw Interrupted();
      case Watchdog::Fired::Cancelled:
        return false;
      case Watchdog::Fired::Silent:
        fail(fmt::format("sent nothing for {} ms, the limit", timeouts.first_byte.count()));
        break;
      case Watchdog::Fired::Total:
        fail(fmt::format("the answer took more than {} ms in all", timeouts.total.count()));
        break;
      case Watchdog::Fired::Endless:
        fail(fmt::format("sent more than {} bytes that hold no answer, such as an endless head",
                         Watchdog::kMostUnusedBytes),
             true);
        break;
    }
    return true;
  }
  // Throws what the answer's bytes are refused for.
  void check(const Exchange& exchange) const {
    if (exchange.too_large) {
      throw HttpError(fmt::format("{}: the answer has more than {} bytes, the limit", url.origin,
                                  options.max_body_bytes),
                      HttpStage::Answering, true);
    }
    if (exchange.compressed) {
      throw HttpError(
          fmt::format("{}: the answer is compressed ('{}'), which was not asked for", url.origin,
                      one_line(exchange.response.headers.at("content-encoding"), kMostShown)),
          HttpStage::Answering, true);
    }
  }
};

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

void check_ca_file(const std::filesystem::path& file) {
  if (file.empty()) return;
  if (!std::filesystem::is_regular_file(file)) {
    throw Error(
        ErrorCode::NotFound,
        fmt::format("{}: no such CA file; expected a PEM file of certificates", file.string()));
  }
  const std::unique_ptr<X509_STORE, void (*)(X509_STORE*)> store(X509_STORE_new(), X509_STORE_free);
  if (X509_STORE_load_file(store.get(), file.c_str()) == 1) return;
  throw Error(ErrorCode::InvalidArgument,
              fmt::format("{}: no certificate in the CA file; expected PEM", file.string()));
}

// The path that a redirect leads to, where the request may follow it there.
std::optional<std::string> next_path(const HttpRequest& request, const HttpResponse& response,
                                     const Url& url) {
  const bool keeps_method = response.status == 307 || response.status == 308;
  if (!request.follow_same_origin || (!keeps_method && request.method != "GET")) return {};
  const auto location = response.headers.find("location");
  if (location == response.headers.end()) return {};
  return path_on_same_origin(url, location->second);
}

// The caller's question whether to go on; what it throws means no.
std::function<bool()> asking(const HttpHooks& hooks) {
  if (!hooks.cancelled) return {};
  return [&hooks] {
    try {
      return hooks.cancelled();
    } catch (...) {
      return true;
    }
  };
}

}  // namespace

HttpClient::HttpClient(const std::string& base_url, HttpClientOptions options)
    : url_(std::make_shared<const Url>(parse_url(base_url))), options_(std::move(options)) {
  check_ca_file(options_.ca_file);
  names_ = std::make_shared<HostNames>(url_->host, url_->port, options_.look_up);
}

HttpClient::HttpClient(const std::string& base_url, HttpTimeouts timeouts,
                       std::size_t max_body_bytes)
    : HttpClient(base_url, HttpClientOptions{.timeouts = timeouts,
                                             .max_body_bytes = max_body_bytes,
                                             .ca_file = {},
                                             .look_up = {}}) {}

const std::string& HttpClient::origin() const { return url_->origin; }

HttpResponse HttpClient::send(const HttpRequest& request, const OnBody& on_body) const {
  return send(request, HttpHooks{.on_body = on_body, .before_connect = {}, .cancelled = {}});
}

HttpResponse HttpClient::send(const HttpRequest& request, const HttpHooks& hooks) const {
  constexpr int kMostRedirects = 3;
  throw_if_interrupted();
  check_request(request, url_->origin);
  const SigpipeGuard quiet;
  const auto start = Clock::now();
  std::string path = url_->prefix + request.path;
  for (int followed = 0;; ++followed) {
    auto response = exchange(request, path, hooks, start);
    if (response.cancelled || !is_redirect(response.status) || request.return_redirect) {
      return response;
    }
    const auto next = next_path(request, response, *url_);
    if (!next || followed == kMostRedirects) {
      throw HttpError(fmt::format("{}: answered {} and points to '{}', which is not followed; "
                                  "use that URL if you trust it",
                                  url_->origin, response.status,
                                  one_line(response.headers["location"], kMostShown)),
                      HttpStage::Answering, true);
    }
    path = *next;
  }
}

HttpResponse HttpClient::exchange(const HttpRequest& request, const std::string& path,
                                  const HttpHooks& hooks,
                                  std::chrono::steady_clock::time_point start) const {
  const HttpTimeouts& timeouts = request.timeouts ? *request.timeouts : options_.timeouts;
  const auto cancelled = asking(hooks);
  const auto left =
      std::chrono::ceil<std::chrono::milliseconds>(start + timeouts.total - Clock::now());
  auto socket = connect_to({*names_, url_->host, url_->origin,
                            std::clamp(timeouts.connect, std::chrono::milliseconds(0),
                                       std::max(left, std::chrono::milliseconds(0))),
                            hooks.before_connect, cancelled});
  HttpResponse none;
  none.cancelled = true;
  if (socket.get() < 0) return none;
  Watchdog watchdog(socket.get(), timeouts, start, cancelled);
  Exchange exchange{watchdog, hooks.on_body, options_.max_body_bytes};
  Attempt attempt{*url_, timeouts, options_};
  attempt.run(std::move(socket), to_library(request, path, exchange), exchange);
  if (exchange.thrown) std::rethrow_exception(exchange.thrown);
  attempt.check(exchange);
  exchange.response.cancelled = exchange.cancelled || !attempt.check(watchdog, exchange);
  if (!exchange.response.cancelled && attempt.error != httplib::Error::Success) {
    throw HttpError(url_->origin + ": " + attempt.reason(exchange), attempt.stage(exchange),
                    attempt.error == httplib::Error::SSLServerVerification);
  }
  return std::move(exchange.response);
}

}  // namespace crayon
