// What becomes of one server in the course of a call.
#pragma once

#include <chrono>
#include <exception>
#include <optional>
#include <string>

#include "crayon/base/error.h"
#include "crayon/remote/internal/endpoint.h"

namespace crayon {

/// After a turn that failed.
struct Failure {
  Error error{ErrorCode::Unavailable, ""};
  bool again = false;     ///< It is safe to ask this server once more.
  bool counts = true;     ///< It says something bad of the server.
  bool alive = false;     ///< It says that the server works.
  bool withheld = false;  ///< The server was not asked: a rule of ours kept the question here.
  std::optional<std::chrono::milliseconds> asked_wait{};
  int status = 0;
};

/// Reads what a turn threw. What is not the server's doing (the caller threw, Ctrl-C, a check that
/// failed) is thrown on.
[[nodiscard]] Failure read_failure(const std::exception_ptr& thrown, const Turn& turn);

/// Is the message of a failure that several servers had.
[[nodiscard]] Error joined(const std::vector<Error>& errors);

}  // namespace crayon
