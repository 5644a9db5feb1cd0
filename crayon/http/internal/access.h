// Who may ask: rules against pages that reach a local server through the user's browser, and the
// key.
#pragma once

#include <string>
#include <string_view>

namespace crayon {

/// "localhost", 127.0.0.0/8 or ::1 (brackets allowed); not a name that merely looks like it.
[[nodiscard]] bool is_loopback(std::string_view host);

/// Is `header` ("name:port") a loopback name or `bound`, the host that the server listens on?
[[nodiscard]] bool host_allowed(std::string_view header, std::string_view bound);

/// The same for an Origin ("http://name:port").
[[nodiscard]] bool origin_allowed(std::string_view origin, std::string_view bound);

/// Is `authorization` "Bearer <key>"? Takes the same time wherever they differ.
[[nodiscard]] bool key_matches(std::string_view authorization, std::string_view key);

}  // namespace crayon
