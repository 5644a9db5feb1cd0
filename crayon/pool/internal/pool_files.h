// The single files of a pool folder, each read and checked against the manifest: what Pool::open
// does in order and verify_pool does one by one.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "crayon/adapter/adapter.h"
#include "crayon/formats/pool_manifest.h"
#include "crayon/gate/gate.h"

namespace crayon {

inline constexpr const char* kManifestFile = "pool.json";

/// @throws Error NotFound (no pool there), CorruptFile, Unsupported
[[nodiscard]] PoolManifest read_manifest(const std::filesystem::path& folder);

/// Reads a file of the pool and checks its hash.
/// @throws Error NotFound, Incompatible (the hash; a link that leaves the folder)
[[nodiscard]] std::vector<std::byte> read_pool_file(const std::filesystem::path& folder,
                                                    const std::string& file,
                                                    const std::string& sha256);

/// Checks N and the shapes against the base model too.
/// @throws Error CorruptFile, Incompatible
[[nodiscard]] Gate read_pool_gate(const std::filesystem::path& folder,
                                  const PoolManifest& manifest);

/// Checks architecture, base id, rank, and that its tensors sit in the layers that the manifest
/// says. @param bytes  of the entry's file, as read_pool_file gives them
/// @throws Error CorruptFile, Incompatible, Unsupported
[[nodiscard]] Adapter parse_pool_adapter(std::vector<std::byte> bytes,
                                         const std::filesystem::path& folder,
                                         const PoolManifest& manifest,
                                         const PoolAdapterEntry& entry);

/// "name-1a2b3c4d": the name and the first digits of a hash of gate and adapters.
[[nodiscard]] std::string pool_id(const PoolManifest& manifest);

}  // namespace crayon
