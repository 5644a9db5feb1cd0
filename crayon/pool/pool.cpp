#include "crayon/pool/pool.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <system_error>

#include "crayon/base/error.h"
#include "crayon/pool/internal/pool_files.h"

namespace crayon {

namespace fs = std::filesystem;

namespace {

Adapter read_adapter(const fs::path& folder, const PoolManifest& manifest,
                     const PoolAdapterEntry& entry) {
  return parse_pool_adapter(read_pool_file(folder, entry.file, entry.sha256), folder, manifest,
                            entry);
}

}  // namespace

PoolManifest read_pool_manifest(const fs::path& folder) { return read_manifest(folder); }

struct Pool::Impl {
  fs::path folder;
  PoolManifest manifest;
  Gate gate;
  std::vector<Adapter> gated;      ///< The N gated ones; empty when the blender holds no others.
  std::optional<Blender> blender;  ///< The N gated ones, then the shared one; none without any.
};

Pool::Pool() = default;
Pool::~Pool() = default;
Pool::Pool(Pool&&) noexcept = default;
Pool& Pool::operator=(Pool&&) noexcept = default;

Pool Pool::open(const fs::path& folder) {
  PoolManifest manifest = read_manifest(folder);
  Gate gate = read_pool_gate(folder, manifest);
  std::vector<Adapter> all;
  for (const PoolAdapterEntry& entry : manifest.adapters) {
    all.push_back(read_adapter(folder, manifest, entry));
  }
  std::vector<Adapter> gated;
  if (!manifest.shared.empty()) {
    gated = all;
    all.push_back(read_adapter(folder, manifest, manifest.shared.front()));
  }
  Pool pool;
  pool.impl_ = std::make_unique<Impl>(
      Impl{folder, std::move(manifest), std::move(gate), std::move(gated), std::nullopt});
  if (!all.empty()) pool.impl_->blender.emplace(std::move(all));
  return pool;
}

const fs::path& Pool::folder() const { return impl_->folder; }
const PoolManifest& Pool::manifest() const { return impl_->manifest; }
const Gate& Pool::gate() const { return impl_->gate; }
std::size_t Pool::size() const { return impl_->manifest.adapters.size(); }

const std::vector<Adapter>& Pool::adapters() const {
  return impl_->manifest.shared.empty() && impl_->blender ? impl_->blender->adapters()
                                                          : impl_->gated;
}

const Adapter* Pool::shared() const {
  return impl_->manifest.shared.empty() ? nullptr : &impl_->blender->adapters().back();
}

Blend Pool::blend(std::span<const float> weights, const BlendOptions& options) {
  if (size() == 0) {
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("pool '{}' has no adapter yet; add one with `crayon pool add`",
                            manifest().name));
  }
  if (weights.size() != size()) {
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("pool '{}': got {} weights, expected {}, one for each adapter",
                            manifest().name, weights.size(), size()));
  }
  std::vector<float> all(weights.begin(), weights.end());
  all.resize(size() + manifest().shared.size(), shared_weight(gate(), weights));
  return impl_->blender->blend(all, options);
}

std::vector<fs::path> find_pools(std::span<const fs::path> roots) {
  std::vector<fs::path> found;
  for (const fs::path& root : roots) {
    std::error_code skipped;  // a root that is not there holds no pool
    for (const auto& entry : fs::directory_iterator(root, skipped)) {
      if (fs::is_regular_file(entry.path() / kManifestFile, skipped)) found.push_back(entry.path());
    }
  }
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  return found;
}

}  // namespace crayon
