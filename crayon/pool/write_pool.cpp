#include <fmt/format.h>

#include <algorithm>
#include <system_error>

#include "crayon/base/error.h"
#include "crayon/base/files.h"
#include "crayon/base/sha256.h"
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

PoolAdapterEntry& entry_at(PoolManifest& manifest, std::size_t i) {
  const std::size_t n = manifest.adapters.size();
  return i < n ? manifest.adapters[i] : manifest.shared[i - n];
}

/// Names for the files of a pool that comes to stand in the place of another: never that of a file
/// of the old one, unless the new file has its bytes.
class FileNames {
 public:
  FileNames(const fs::path& folder, const PoolManifest& manifest)
      : folder_(folder), wanted_(files_of(manifest)) {
    if (file_kind(folder / kManifestFile) == FileKind::None) return;
    try {
      old_ = files_of(read_manifest(folder));
    } catch (const Error&) {
      any_may_be_old_ = true;
    }
  }
  /// "a0.gguf", else "a0-2.gguf" and so on.
  [[nodiscard]] std::string pick(const PoolFile& file) const {
    if (!is_old(file.file) || holds(file)) return file.file;
    const fs::path path = file.file;
    for (int n = 2;; ++n) {
      const std::string name =
          fmt::format("{}-{}{}", path.stem().string(), n, path.extension().string());
      const PoolFile other{(path.parent_path() / name).string(), file.bytes};
      if (has(wanted_, other.file)) continue;
      // What nobody names may be somebody's: left alone, but for what a killed write left of this.
      if (file_kind(folder_ / other.file) == FileKind::None || holds(other)) return other.file;
    }
  }
  [[nodiscard]] bool as_wanted(const PoolManifest& manifest) const {
    return files_of(manifest) == wanted_;
  }

 private:
  static bool has(const std::vector<std::string>& names, const std::string& name) {
    return std::ranges::find(names, name) != names.end();
  }
  [[nodiscard]] bool is_old(const std::string& name) const {
    return any_may_be_old_ ? file_kind(folder_ / name) != FileKind::None : has(old_, name);
  }
  [[nodiscard]] bool holds(const PoolFile& file) const {
    const fs::path path = folder_ / file.file;
    std::error_code none;
    return file_kind(path) == FileKind::File && fs::file_size(path, none) == file.bytes.size() &&
           sha256_file(path) == sha256_hex(file.bytes);
  }

  fs::path folder_;
  std::vector<std::string> wanted_, old_;
  bool any_may_be_old_ = false;  ///< The old manifest cannot be read.
};

/// @param files  of the adapters, under the names that are wanted
/// @return whether all files have the names that are wanted
bool put_pool(const fs::path& folder, PoolManifest manifest, const Gate& gate,
              std::vector<PoolFile> files) {
  const FileNames names(folder, manifest);
  for (std::size_t i = 0; i < files.size(); ++i) {
    files[i].file = names.pick(files[i]);
    entry_at(manifest, i).file = files[i].file;
  }
  manifest.gate_file = names.pick({manifest.gate_file, write_gate(gate)});
  seal_pool(manifest, gate, files, folder);
  put_files(folder, files);
  return names.as_wanted(manifest);
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
  for (std::size_t i = 0; i < adapters.size(); ++i) {
    files.push_back(make_adapter_file(entry_at(manifest, i), adapters[i], manifest.base));
  }
  if (put_pool(folder, manifest, gate, files)) return;
  // The old pool is gone and with it the reason for other names; what names a file of a pool
  // ([pool] shared_from) then finds it where it was.
  try {
    (void)put_pool(folder, manifest, gate, files);
  } catch (const Error&) {  // a full disk: the pool is whole under the names that it has
  }
}

}  // namespace crayon
