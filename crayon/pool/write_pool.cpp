#include <fmt/format.h>

#include <system_error>

#include "crayon/base/error.h"
#include "crayon/base/files.h"
#include "crayon/base/sha256.h"
#include "crayon/formats/adapter_file.h"
#include "crayon/pool/internal/pool_files.h"
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

/// One file of the pool, in memory until all of them are known to be good.
struct PoolFile {
  std::string file;
  std::vector<std::byte> bytes;
};

PoolFile make_adapter_file(PoolAdapterEntry& entry, Adapter adapter, const BaseModel& base) {
  adapter.base_id = base.id();
  AdapterFileOptions options;
  options.architecture = base.architecture;
  options.name = entry.name;
  PoolFile result{entry.file, adapter_to_gguf(adapter, options)};
  entry.sha256 = sha256_hex(result.bytes);
  entry.rank = static_cast<int>(max_rank(adapter));
  return result;
}

void write_files(const fs::path& folder, const std::vector<PoolFile>& files,
                 const std::string& manifest) {
  try {
    fs::create_directories(folder);
    fs::remove(folder / kManifestFile);  // from here on the folder is no pool until the last line
    for (const PoolFile& file : files) {
      const fs::path path = folder / file.file;
      fs::create_directories(path.parent_path());
      write_atomically(path, file.bytes);
    }
  } catch (const fs::filesystem_error& error) {
    throw Error(ErrorCode::Unavailable,
                fmt::format("{}: cannot be written: {}", folder.string(), error.code().message()));
  }
  write_atomically(folder / kManifestFile, manifest);
}

}  // namespace

void write_pool(const fs::path& folder, PoolManifest manifest, const Gate& gate,
                std::span<const Adapter> adapters, bool overwrite) {
  if (!overwrite && fs::exists(folder / kManifestFile)) {
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
  files.push_back({manifest.gate_file, write_gate(gate)});
  manifest.gate_sha256 = sha256_hex(files.back().bytes);
  manifest.id = pool_id(manifest);
  const std::string text = write_pool_manifest(manifest);
  try {
    (void)parse_pool_manifest(text, "the new pool.json");  // what cannot be read is not written
  } catch (const Error& error) {
    throw invalid(folder, fmt::format("cannot become a pool: {}", error.what()));
  }
  write_files(folder, files, text);
}

}  // namespace crayon
