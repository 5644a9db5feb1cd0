// Reads a file out of a Python wheel, which is a zip archive; nothing in it is ever run.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace crayon {

/// Writes the one member of the wheel whose name fits the glob `member` to `to`.
/// @throws Error CorruptFile  no zip archive, not exactly one such member, a damaged member, or one
///                            of more than `max_bytes`
/// @throws Error Unavailable  `to` cannot be written
/// @throws Interrupted
void extract_member(const std::filesystem::path& wheel, const std::string& member,
                    const std::filesystem::path& to, std::uint64_t max_bytes);

}  // namespace crayon
