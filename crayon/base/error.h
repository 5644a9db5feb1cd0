// The one exception of Crayon and its codes. A request that cannot be met throws Error; an outcome
// that one expects is a value. A message says where, what was found, what was expected, what to do.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

namespace crayon {

enum class ErrorCode {
  InvalidArgument,  ///< What the user asked for makes no sense.
  NotFound,         ///< A file, model, task or pool that is not there.
  Incompatible,     ///< Two good things that do not belong together.
  CorruptFile,      ///< Bytes that are not what their file should hold.
  Unsupported,      ///< Known, but not built in or not done by this version.
  Unavailable,      ///< A server, disk or queue that cannot serve now.
};

/// What an error code means outside: its name in JSON, exit status and HTTP status.
struct ErrorCodeInfo {
  std::string_view name;
  int exit_status;
  int http_status;
};

[[nodiscard]] const ErrorCodeInfo& info(ErrorCode code) noexcept;

class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  [[nodiscard]] ErrorCode code() const noexcept { return code_; }

 private:
  ErrorCode code_;
};

}  // namespace crayon
