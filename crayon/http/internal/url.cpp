#include "crayon/http/internal/url.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "crayon/base/error.h"
#include "crayon/base/text.h"

namespace crayon {
namespace {

// What a message may show of a URL: a key may stand in its query.
std::string shown(const std::string& url) {
  constexpr std::size_t kMostShown = 200;
  const auto end = std::min(url.find_first_of("?#"), url.size());
  return one_line(url.substr(0, end), kMostShown) + (end < url.size() ? "?..." : "");
}

[[noreturn]] void bad_url(const std::string& url, const std::string& what) {
  throw Error(
      ErrorCode::InvalidArgument,
      fmt::format("URL '{}': {}; expected http://HOST:PORT or https://HOST", shown(url), what));
}

int parse_port(const std::string& url, std::string_view text) {
  int port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size() || port < 1 || port > 65535) {
    bad_url(url, "the port is not a number from 1 to 65535");
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

}  // namespace

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](unsigned char c) { return c < 0x20 || c == 0x7F; });
}

Url parse_url(const std::string& url) {
  if (url.find('@') != std::string::npos) {  // a password may stand there: do not repeat it
    throw Error(ErrorCode::InvalidArgument,
                "URL with '@': a user name or password in a URL is not used; give a key instead");
  }
  const auto scheme_end = url.find("://");
  if (scheme_end == std::string::npos) bad_url(url, "no scheme");
  const auto scheme = url.substr(0, scheme_end);
  if (scheme != "http" && scheme != "https") {
    throw Error(ErrorCode::Unsupported, fmt::format("URL '{}': scheme '{}'; expected http or https",
                                                    shown(url), one_line(scheme, 40)));
  }
  if (has_control(url) || url.find_first_of(" ?#") != std::string::npos) {
    bad_url(url, "holds a space, '?', '#' or a control character");
  }
  Url parsed;
  parsed.tls = scheme == "https";
  parsed.port = parsed.tls ? 443 : 80;
  const auto slash = std::min(url.find('/', scheme_end + 3), url.size());
  parsed.host =
      split_authority(url, url.substr(scheme_end + 3, slash - scheme_end - 3), parsed.port);
  parsed.origin = url.substr(0, slash);
  parsed.prefix = url.substr(slash);
  while (parsed.prefix.ends_with('/')) parsed.prefix.pop_back();
  return parsed;
}

std::optional<std::string> path_on_same_origin(const Url& from, const std::string& location) {
  if (has_control(location) || location.find(' ') != std::string::npos) return {};
  const auto whole = location.substr(0, location.find('#'));
  if (whole.starts_with('/') && !whole.starts_with("//")) return whole;
  const auto scheme_end = whole.find("://");
  if (scheme_end == std::string::npos) return {};
  const auto authority_end = std::min(whole.find_first_of("/?", scheme_end + 3), whole.size());
  try {
    const Url to = parse_url(lowered(whole.substr(0, authority_end)));
    if (to.tls != from.tls || to.port != from.port || to.host != lowered(from.host)) return {};
  } catch (const Error&) {
    return {};
  }
  auto path = whole.substr(authority_end);
  return path.starts_with('/') ? path : "/" + path;
}

}  // namespace crayon
