#include <fmt/format.h>

#include <algorithm>
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

constexpr const char* kDraftFolder = ".new-pool.part";

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

/// A folder inside the pool's own that holds the new files until all of them are there.
class Draft {
 public:
  explicit Draft(const fs::path& folder) : path_(folder / kDraftFolder) {
    fs::remove_all(path_);  // of a run that was killed
    fs::create_directory(path_);
  }
  Draft(const Draft&) = delete;
  Draft& operator=(const Draft&) = delete;
  ~Draft() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }

  void write(const PoolFile& file) const {
    const fs::path path = path_ / file.file;
    fs::create_directories(path.parent_path());
    write_atomically(path, file.bytes);
  }
  void move_to(const fs::path& folder, const PoolFile& file) const {
    fs::rename(path_ / file.file, folder / file.file);
  }

 private:
  fs::path path_;
};

/// The files that the pool in a folder names; none where it cannot be read.
std::vector<std::string> files_of_pool(const fs::path& folder) {
  std::vector<std::string> files;
  try {
    const PoolManifest manifest = read_manifest(folder);
    files.push_back(manifest.gate_file);
    for (const auto& entry : manifest.adapters) files.push_back(entry.file);
    for (const auto& entry : manifest.shared) files.push_back(entry.file);
  } catch (const Error&) {  // no pool, or a broken one: nothing is known to be its own
    return {};
  }
  return files;
}

/// Replaces the pool's files, the manifest last: until then the old one, where there is one,
/// refuses the new files by their hashes. @param files  the manifest last
void replace_files(const fs::path& folder, const std::vector<PoolFile>& files) {
  const std::vector<std::string> old = files_of_pool(folder);
  const Draft draft(folder);
  for (const PoolFile& file : files) draft.write(file);
  for (const PoolFile& file : files) {  // what can be known to fail does so before the first move
    fs::create_directories((folder / file.file).parent_path());
    check_output(folder / file.file);
  }
  for (const PoolFile& file : files) draft.move_to(folder, file);
  for (const std::string& name : old) {
    const bool kept =
        std::ranges::any_of(files, [&](const PoolFile& file) { return file.file == name; });
    std::error_code ignored;  // a file too many does no harm
    if (!kept) fs::remove(folder / name, ignored);
  }
}

void write_files(const fs::path& folder, const std::vector<PoolFile>& files) {
  bool is_new = false;
  const auto undo = [&] {
    std::error_code ignored;
    if (is_new) fs::remove(folder, ignored);  // only when it is empty
  };
  try {
    is_new = fs::create_directories(folder);
    replace_files(folder, files);
  } catch (const fs::filesystem_error& error) {
    undo();
    throw Error(ErrorCode::Unavailable,
                fmt::format("{}: the pool cannot be written: {}: {}", folder.string(),
                            error.path1().string(), error.code().message()));
  } catch (const Error&) {
    undo();
    throw;
  }
}

}  // namespace

void write_pool(const fs::path& folder, PoolManifest manifest, const Gate& gate,
                std::span<const Adapter> adapters, bool overwrite) {
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
  files.push_back({manifest.gate_file, write_gate(gate)});
  manifest.gate_sha256 = sha256_hex(files.back().bytes);
  manifest.id = pool_id(manifest);
  const std::string text = write_pool_manifest(manifest);
  try {
    (void)parse_pool_manifest(text, "the new pool.json");  // what cannot be read is not written
  } catch (const Error& error) {
    throw invalid(folder, fmt::format("cannot become a pool: {}", error.what()));
  }
  const auto bytes = std::as_bytes(std::span(text));
  files.push_back({kManifestFile, {bytes.begin(), bytes.end()}});
  write_files(folder, files);
}

}  // namespace crayon
