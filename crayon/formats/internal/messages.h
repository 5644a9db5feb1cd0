// Errors about files in one wording: file, what was found, what was expected, what to do.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <utility>

#include "crayon/base/error.h"

namespace crayon {

/// Text from a file for a message: in quotes, printable ASCII only, cut to 60 characters.
[[nodiscard]] std::string in_quotes(std::string_view text);

/// Error CorruptFile: "file: message; fetch or make the file again".
template <typename... Args>
[[nodiscard]] Error corrupt(std::string_view file, fmt::format_string<Args...> format,
                            Args&&... args) {
  return {ErrorCode::CorruptFile, fmt::format("{}: {}; fetch or make the file again", file,
                                              fmt::format(format, std::forward<Args>(args)...))};
}

/// Error of another code: "file: message".
template <typename... Args>
[[nodiscard]] Error file_error(ErrorCode code, std::string_view file,
                               fmt::format_string<Args...> format, Args&&... args) {
  return {code, fmt::format("{}: {}", file, fmt::format(format, std::forward<Args>(args)...))};
}

}  // namespace crayon
