// Hashes of large files, remembered between runs in cache_folder()/hashes.json, keyed by path, size
// and time of change. A broken or unwritable cache only costs time.
#pragma once

#include <filesystem>
#include <string>

namespace crayon {

/// SHA-256 of a file, from the cache when its size and time of change are as they were.
/// @throws Error NotFound, Unavailable
[[nodiscard]] std::string cached_sha256(const std::filesystem::path& path);

}  // namespace crayon
