// Examples and questions as JSONL: three forms (crayon/prompt/example.h), and the uniform format of
// the sets in data/ (id, question, context, choices, answer, task). gzip is read as it is.
#pragma once

#include <filesystem>
#include <iosfwd>
#include <string>
#include <string_view>
#include <vector>

#include "crayon/prompt/example.h"

namespace crayon {

/// One line. `where` is "file:line" for messages. `answer` may be an index or a choice's text;
/// unknown keys are ignored.
/// @throws Error InvalidArgument  where, what was found, what was expected
[[nodiscard]] Example parse_example(std::string_view line, const std::string& where);

/// All lines of a file (plain or gzip; "-" reads standard input), blank ones skipped; at most
/// `limit` when it is not 0. A folder is refused.
/// @throws Error NotFound, InvalidArgument (first bad line; no example at all), CorruptFile (gzip);
///         Interrupted
[[nodiscard]] std::vector<Example> read_examples(const std::filesystem::path& path,
                                                 std::size_t limit = 0);
[[nodiscard]] std::vector<Example> read_examples(std::istream& in, const std::string& name,
                                                 std::size_t limit = 0);

}  // namespace crayon
