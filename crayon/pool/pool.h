// An opened pool: its manifest, gate and adapters; finds pools, verifies and blends them.
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "crayon/adapter/blend.h"
#include "crayon/formats/pool_manifest.h"
#include "crayon/gate/gate.h"

namespace crayon {

/// A pool's manifest alone: its adapters need not be there.
/// @throws Error NotFound (no pool.json), CorruptFile, Unsupported
[[nodiscard]] PoolManifest read_pool_manifest(const std::filesystem::path& folder);

class Pool {
 public:
  /// Opens a folder: reads manifest, gate and all adapters, checks hashes, ranks and numbers.
  /// @throws Error NotFound (no pool.json), CorruptFile, Incompatible (a hash, N or shape that does
  ///         not fit), Unsupported
  [[nodiscard]] static Pool open(const std::filesystem::path& folder);
  ~Pool();
  Pool(Pool&&) noexcept;
  Pool& operator=(Pool&&) noexcept;

  [[nodiscard]] const std::filesystem::path& folder() const;
  [[nodiscard]] const PoolManifest& manifest() const;
  [[nodiscard]] const Gate& gate() const;
  [[nodiscard]] std::size_t size() const;                      ///< N
  [[nodiscard]] const std::vector<Adapter>& adapters() const;  ///< N, in the order of w.
  [[nodiscard]] const Adapter* shared() const;                 ///< Null without one; borrowed.

  /// The blended adapter for w [N], the shared adapter (shared_weight) included when there is one.
  /// Not thread-safe: low-rank factors are made at the first call and kept.
  /// @throws Error InvalidArgument  another number of weights than N, a pool without adapters, or
  ///                                as Blender::blend
  [[nodiscard]] Blend blend(std::span<const float> weights, const BlendOptions& options = {});

 private:
  Pool();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// One finding of verify_pool.
struct PoolCheck {
  std::string what;  ///< "adapters/a3.gguf: SHA-256"
  bool ok = false;
  std::string detail;
};
/// Checks everything, and goes on after a failure. @param model  the base's GGUF, or "" to skip it
[[nodiscard]] std::vector<PoolCheck> verify_pool(const std::filesystem::path& folder,
                                                 const std::filesystem::path& model = {});

/// Folders with a pool.json directly below each of `roots`.
[[nodiscard]] std::vector<std::filesystem::path> find_pools(
    std::span<const std::filesystem::path> roots);

/// Writes a pool folder anew: adapters (f16), gate and manifest. No file of the old pool is touched
/// before the manifest is replaced, so that an error or a kill leaves the old pool or the new one:
/// where an old file has the name, the new one is "aI-2.gguf" until the old one is gone. Files that
/// only the old manifest names are removed, all others stay. Fills in base ids, files, hashes,
/// ranks and the id; entries without a name or file get "aI" ("shared") and "adapters/NAME.gguf".
/// @param adapters  N, in the order of manifest.adapters (which may be empty: then N entries are
///                  made), followed by one for each entry of manifest.shared
/// @throws Error InvalidArgument  the folder holds a pool and `overwrite` is false, numbers of
///                                adapters, keys and entries that do not fit, a bad path or gate,
///                                no adapter at all (crayon/pool/edit_pool.h makes empty pools)
/// @throws Error Unavailable      the disk or the rights do not allow it, or another program is
///                                changing the pool
void write_pool(const std::filesystem::path& folder, PoolManifest manifest, const Gate& gate,
                std::span<const Adapter> adapters, bool overwrite = false);

}  // namespace crayon
