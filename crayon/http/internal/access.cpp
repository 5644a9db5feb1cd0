#include "crayon/http/internal/access.h"

#include <arpa/inet.h>
#include <openssl/crypto.h>
#include <strings.h>

#include "crayon/base/sha256.h"

namespace crayon {
namespace {

bool equal_names(std::string_view a, std::string_view b) {
  return a.size() == b.size() && strncasecmp(a.data(), b.data(), a.size()) == 0;
}

std::string_view without_brackets(std::string_view host) {
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
    return host.substr(1, host.size() - 2);
  }
  return host;
}

// The host of "host", "host:port" or "[v6]:port"; "" when it is none of them.
std::string_view without_port(std::string_view text) {
  const auto end = text.starts_with('[') ? text.find(']') + 1 : text.find(':');
  if (text.starts_with('[') && end == 0) return {};
  const auto host = text.substr(0, end);
  const auto rest = text.substr(host.size());
  const bool port =
      rest.starts_with(':') && rest.find_first_not_of("0123456789", 1) == std::string_view::npos;
  return rest.empty() || port ? host : std::string_view();
}

}  // namespace

bool is_loopback(std::string_view host) {
  const std::string name(without_brackets(host));
  if (equal_names(name, "localhost")) return true;
  in_addr v4{};
  if (inet_pton(AF_INET, name.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
  in6_addr v6{};
  return inet_pton(AF_INET6, name.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

bool host_allowed(std::string_view header, std::string_view bound) {
  const auto host = without_port(header);
  return is_loopback(host) || (!host.empty() && equal_names(without_brackets(host), bound));
}

bool origin_allowed(std::string_view origin, std::string_view bound) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (origin.starts_with(scheme)) return host_allowed(origin.substr(scheme.size()), bound);
  }
  return false;
}

bool key_matches(std::string_view authorization, std::string_view key) {
  constexpr std::string_view kScheme = "Bearer ";
  if (authorization.size() < kScheme.size() ||
      !equal_names(authorization.substr(0, kScheme.size()), kScheme)) {
    return false;
  }
  // Hashes have one length, so that not even the key's length shows.
  const auto given = sha256_hex(authorization.substr(kScheme.size()));
  const auto wanted = sha256_hex(key);
  return CRYPTO_memcmp(given.data(), wanted.data(), wanted.size()) == 0;
}

}  // namespace crayon
