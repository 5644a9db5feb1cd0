// The known names that a mistyped one was perhaps meant to be, for error messages.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace crayon {

/// Edits (insert, delete or replace one byte) from one text to the other.
[[nodiscard]] std::size_t edit_distance(std::string_view a, std::string_view b);

/// At most `most` of the known names, nearest first; one that merely holds `name` or begins with
/// it counts as near. Names that have nothing in common with it are left out.
[[nodiscard]] std::vector<std::string> nearest_names(std::string_view name,
                                                     std::span<const std::string> known,
                                                     std::size_t most = 3);

}  // namespace crayon
