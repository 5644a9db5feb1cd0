// Any JSON Lines file, plain or gzip, for readers whose lines have fields of their own; the forms
// of examples that Crayon knows are read by examples.h.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

namespace crayon {

/// A line that holds one JSON object, checked: UTF-8, each key once, bounded depth. `where` is
/// "file:line" for messages. @return false to read no further
using TakeJsonLine = std::function<bool(std::string_view line, const std::string& where)>;

/// Hands on each line of a file in order, blank ones skipped.
/// @throws Error NotFound, InvalidArgument (a folder, a line that is no JSON object), CorruptFile
///         (gzip), Unavailable; Interrupted; what `take` throws
void read_json_lines(const std::filesystem::path& path, const TakeJsonLine& take);

}  // namespace crayon
