// The parts of a base URL, and whether a redirect stays on its host.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace crayon {

struct Url {
  std::string origin;  ///< "http://host:port" as it was written.
  std::string host;    ///< A name or an address, IPv6 without brackets.
  std::string prefix;  ///< The path without a slash at its end.
  bool tls = false;
  int port = 0;
};

[[nodiscard]] bool has_control(std::string_view text);

/// @throws Error InvalidArgument  not "http://host:port/prefix" or https; Unsupported: another
///                                scheme. A password is never repeated.
[[nodiscard]] Url parse_url(const std::string& url);

/// The path, with its query, that a redirect's "location" leads to on the same scheme, host and
/// port; none when it leads elsewhere or is no URL.
[[nodiscard]] std::optional<std::string> path_on_same_origin(const Url& from,
                                                             const std::string& location);

}  // namespace crayon
