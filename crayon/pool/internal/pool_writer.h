// A pool's files as bytes, and how they come into its folder: all beside the old ones first, the
// manifest last.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "crayon/adapter/adapter.h"
#include "crayon/formats/pool_manifest.h"
#include "crayon/gate/gate.h"
#include "crayon/pool/edit_pool.h"

namespace crayon {

/// The file of an adapter (f16). Sets its base, and the entry's hash and rank.
/// @throws Error InvalidArgument  numbers that are not finite
[[nodiscard]] PoolFile make_adapter_file(PoolAdapterEntry& entry, Adapter adapter,
                                         const BaseModel& base);

/// Adds gate and manifest to `files`, in this order and last; sets the manifest's hash and id.
/// @throws Error InvalidArgument  a gate or a manifest that could not be read again
void seal_pool(PoolManifest& manifest, const Gate& gate, std::vector<PoolFile>& files,
               const std::filesystem::path& folder);

/// The manifest alone, as it is. @throws Error InvalidArgument  one that could not be read again
void add_manifest(const PoolManifest& manifest, std::vector<PoolFile>& files,
                  const std::filesystem::path& folder);

/// Puts files into a pool's folder, which is made if need be, the last one (the manifest) last.
/// Then removes the files of the pool that was there but those that `kept` names. A kill leaves the
/// old pool or the new one, as long as no file but the manifest has the name of an old one with
/// other bytes.
/// @throws Error InvalidArgument, Unavailable  the old pool is as it was
void put_files(const std::filesystem::path& folder, const std::vector<PoolFile>& files,
               const std::vector<std::string>& kept = {});

/// The files that a manifest names, gate first.
[[nodiscard]] std::vector<std::string> files_of(const PoolManifest& manifest);

}  // namespace crayon
