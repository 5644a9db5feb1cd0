// A port for processes that must agree on one before any of them listens.
#pragma once

namespace crayon {

/// A port of 127.0.0.1 that nobody holds now. It lies below those that systems give out by
/// themselves (from 32768 on), so that nobody gets it by chance before it is listened on.
/// @throws Error Unavailable  none of a hundred tries was free
[[nodiscard]] int free_port();

}  // namespace crayon
