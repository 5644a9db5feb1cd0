#include "crayon/pool/internal/pool_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <system_error>
#include <utility>

#include "crayon/base/error.h"
#include "crayon/base/files.h"
#include "crayon/base/sha256.h"
#include "crayon/formats/adapter_file.h"

namespace crayon {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMaxManifestBytes = 16 << 20;
constexpr std::uint64_t kMaxPartBytes = std::uint64_t{4} << 30;
constexpr std::size_t kIdDigits = 8;

Error incompatible(const std::string& where, const std::string& what) {
  return {ErrorCode::Incompatible,
          fmt::format("{}: {}; fetch or make the pool again", where, what)};
}

/// A symbolic link may point where it likes as long as that is inside the folder.
void check_inside(const fs::path& folder, const fs::path& path) {
  std::error_code failed;
  const fs::path whole = fs::weakly_canonical(path, failed);
  const fs::path root = failed ? fs::path() : fs::canonical(folder, failed);
  const auto ends = std::mismatch(root.begin(), root.end(), whole.begin(), whole.end());
  if (failed || ends.first != root.end()) {
    throw incompatible(path.string(), "lies outside its pool, expected a file inside the folder");
  }
}

void check_layers(const Adapter& adapter, const PoolManifest& manifest, const std::string& file) {
  for (const LoraTensor& tensor : adapter.tensors) {
    const int layer = layer_of(tensor.name).value_or(-1);
    if (layer < manifest.first_layer || layer >= manifest.base.n_layers) {
      throw incompatible(file,
                         fmt::format("adapts '{}', but the pool's layers are {} to {}", tensor.name,
                                     manifest.first_layer, manifest.base.n_layers - 1));
    }
  }
}

}  // namespace

PoolManifest read_manifest(const fs::path& folder) {
  const fs::path path = folder / kManifestFile;
  if (file_kind(path) != FileKind::File) {
    throw Error(ErrorCode::NotFound, fmt::format("{}: holds no {}; name the folder of a pool",
                                                 folder.string(), kManifestFile));
  }
  return parse_pool_manifest(read_text(path, kMaxManifestBytes), path.string());
}

std::vector<std::byte> read_pool_file(const fs::path& folder, const std::string& file,
                                      const std::string& sha256) {
  const fs::path path = folder / file;
  check_inside(folder, path);
  auto bytes = read_file(path, kMaxPartBytes);
  const std::string found = sha256_hex(bytes);
  if (found != sha256) {
    throw incompatible(path.string(), fmt::format("has SHA-256 {}, but pool.json names {}",
                                                  found.substr(0, 16), sha256.substr(0, 16)));
  }
  return bytes;
}

Gate read_pool_gate(const fs::path& folder, const PoolManifest& manifest) {
  const std::string path = (folder / manifest.gate_file).string();
  const auto bytes = read_pool_file(folder, manifest.gate_file, manifest.gate_sha256);
  Gate gate = parse_gate(bytes, path);
  const auto expect = [&](const char* what, std::size_t found, int wanted) {
    if (found != static_cast<std::size_t>(wanted)) {
      throw incompatible(path,
                         fmt::format("has {} {}, but pool.json needs {}", what, found, wanted));
    }
  };
  expect("number of keys", gate.size(), static_cast<int>(manifest.adapters.size()));
  expect("embedding length", gate.whitening.mean.size(), manifest.base.d_model);
  if (gate.embedding.layer < 0 || gate.embedding.layer > manifest.base.n_layers) {
    throw incompatible(path, fmt::format("reads layer {}, but the base has {} layers",
                                         gate.embedding.layer, manifest.base.n_layers));
  }
  std::size_t rows = 0;
  for (const auto& entry : manifest.adapters)
    rows += static_cast<std::size_t>(entry.reference_rows);
  if (rows > gate.reference.rows) {
    throw incompatible(path, fmt::format("has {} reference rows, but pool.json gives {} to its "
                                         "adapters",
                                         gate.reference.rows, rows));
  }
  return gate;
}

Adapter parse_pool_adapter(std::vector<std::byte> bytes, const fs::path& folder,
                           const PoolManifest& manifest, const PoolAdapterEntry& entry) {
  const std::string path = (folder / entry.file).string();
  const Gguf gguf = Gguf::parse(std::move(bytes), path);
  Adapter adapter = adapter_from_gguf(gguf);
  const std::string architecture = gguf.text("general.architecture");
  if (architecture != manifest.base.architecture) {
    throw incompatible(path, fmt::format("is made for architecture '{}', but the pool for '{}'",
                                         architecture, manifest.base.architecture));
  }
  if (adapter.base_id != manifest.base.id()) {
    throw incompatible(path, fmt::format("is made for base '{}', but the pool for '{}'",
                                         adapter.base_id, manifest.base.id()));
  }
  if (max_rank(adapter) != static_cast<std::size_t>(entry.rank)) {
    throw incompatible(
        path, fmt::format("has rank {}, but pool.json says {}", max_rank(adapter), entry.rank));
  }
  check_layers(adapter, manifest, path);
  return adapter;
}

std::string pool_id(const PoolManifest& manifest) {
  std::string hashes = manifest.gate_sha256;
  for (const auto& entry : manifest.adapters) hashes += "\n" + entry.sha256;
  for (const auto& entry : manifest.shared) hashes += "\nshared " + entry.sha256;
  return manifest.name + "-" + sha256_hex(hashes).substr(0, kIdDigits);
}

}  // namespace crayon
