#include <fmt/format.h>

#include "crayon/base/error.h"
#include "crayon/base/files.h"
#include "crayon/pool/internal/pool_files.h"
#include "crayon/pool/internal/pool_lock.h"
#include "crayon/pool/internal/pool_writer.h"
#include "crayon/pool/pool.h"

namespace crayon {
namespace {

namespace fs = std::filesystem;

Error invalid(const fs::path& folder, const std::string& what) {
  return {ErrorCode::InvalidArgument, fmt::format("{}: {}", folder.string(), what)};
}

void fill_in(PoolAdapterEntry& entry, const std::string& name) {
  if (entry.name.empty()) entry.name = name;
  if (entry.file.empty()) entry.file = "adapters/" + entry.name + ".gguf";
}

/// Names and files of all entries, which are made where the manifest has none.
void complete(PoolManifest& manifest, std::size_t n_adapters) {
  if (manifest.adapters.empty() && n_adapters > manifest.shared.size()) {
    manifest.adapters.resize(n_adapters - manifest.shared.size());
  }
  for (std::size_t i = 0; i < manifest.adapters.size(); ++i) {
    fill_in(manifest.adapters[i], fmt::format("a{}", i));
  }
  for (PoolAdapterEntry& entry : manifest.shared) fill_in(entry, "shared");
}

void check_counts(const fs::path& folder, const PoolManifest& manifest, const Gate& gate,
                  std::size_t n_adapters) {
  const std::size_t n = manifest.adapters.size();
  if (n == 0 || n + manifest.shared.size() != n_adapters || gate.size() != n) {
    throw invalid(folder, fmt::format("the manifest has {} adapters and {} shared, but {} adapters "
                                      "and {} keys were given; give one adapter for each entry and "
                                      "one key for each gated adapter",
                                      n, manifest.shared.size(), n_adapters, gate.size()));
  }
}

}  // namespace

void write_pool(const fs::path& folder, PoolManifest manifest, const Gate& gate,
                std::span<const Adapter> adapters, bool overwrite) {
  const PoolLock lock(folder);
  if (!overwrite && file_kind(folder / kManifestFile) != FileKind::None) {
    throw invalid(folder, "holds a pool already; name another folder, or allow overwriting");
  }
  complete(manifest, adapters.size());
  check_counts(folder, manifest, gate, adapters.size());
  std::vector<PoolFile> files;
  const std::size_t n = manifest.adapters.size();
  for (std::size_t i = 0; i < adapters.size(); ++i) {
    PoolAdapterEntry& entry = i < n ? manifest.adapters[i] : manifest.shared[i - n];
    files.push_back(make_adapter_file(entry, adapters[i], manifest.base));
  }
  seal_pool(manifest, gate, files, folder);
  put_files(folder, files);
}

}  // namespace crayon
