// Reading whole files and replacing files in one step, so that a kill leaves the old or the new
// one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace crayon {

/// All bytes of a regular file.
/// @throws Error NotFound         no such file
/// @throws Error InvalidArgument  a directory or device, or more than `max_bytes`
/// @throws Error Unavailable      the file cannot be read
[[nodiscard]] std::vector<std::byte> read_file(const std::filesystem::path& path,
                                               std::uint64_t max_bytes = UINT64_MAX);

/// The same as text.
[[nodiscard]] std::string read_text(const std::filesystem::path& path,
                                    std::uint64_t max_bytes = UINT64_MAX);

/// Writes `bytes` beside `path` under a temporary name, syncs, and renames it over `path`.
/// On any error (full disk, no rights) `path` is as it was and no temporary file stays.
/// @throws Error Unavailable  with the system's reason
/// @throws Error InvalidArgument  `path` is a directory, or its folder does not exist
void write_atomically(const std::filesystem::path& path, std::span<const std::byte> bytes);
void write_atomically(const std::filesystem::path& path, std::string_view text);

/// Folders of the user, after the XDG rules: `CRAYON_CACHE` or `$XDG_CACHE_HOME/crayon` or
/// `~/.cache/crayon` for what can be fetched again; `CRAYON_HOME` or `$XDG_DATA_HOME/crayon` or
/// `~/.local/share/crayon` for the user's tasks. They need not exist.
[[nodiscard]] std::filesystem::path cache_folder();
[[nodiscard]] std::filesystem::path data_folder();

}  // namespace crayon
