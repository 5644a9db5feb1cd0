// How long to wait before a server is asked again.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "crayon/base/random.h"
#include "crayon/remote/remote.h"

namespace crayon {

/// An HTTP date in any of its three forms (RFC 9110, section 5.6.7); none when it is not one.
[[nodiscard]] std::optional<std::chrono::sys_seconds> parse_http_date(std::string_view text);

/// What a server asks to wait, by `retry-after-ms`, or `retry-after` in seconds or as a date (which
/// counts from the answer's own `date`, so that clocks may differ); at most a day, at least 0.
/// @param headers  with lower-case names
/// @param now      stands in for a missing `date`
[[nodiscard]] std::optional<std::chrono::milliseconds> retry_after(
    const std::map<std::string, std::string>& headers, std::chrono::system_clock::time_point now);

/// The wait before round `round` (1, 2, ...): the first wait doubled each round, up to the longest,
/// of which a random 50 to 100 % is taken. A wait that the server asked for is kept, and up to a
/// tenth of it (at most 1 s) added, so that clients do not all come back at once.
[[nodiscard]] std::chrono::milliseconds wait_before(int round, const RetryOptions& options,
                                                    std::optional<std::chrono::milliseconds> asked,
                                                    Rng& rng);

}  // namespace crayon
