// Aligned columns for a terminal.
#pragma once

#include <string>
#include <vector>

namespace crayon {

/// Rows of as many cells as the first, the heading: the first column is left-aligned, the others
/// right-aligned, two blanks between them. Each line ends with "\n" and has no blank before it.
[[nodiscard]] std::string text_table(const std::vector<std::vector<std::string>>& rows);

/// Words in lines of at most so many bytes, each with "\n"; a longer word has a line of its own.
[[nodiscard]] std::string wrapped(const std::string& text, std::size_t columns);

/// A name of others for a cell: on one line, at most `most` bytes.
[[nodiscard]] std::string cell_name(const std::string& name, std::size_t most);

}  // namespace crayon
