#include "crayon/pool/internal/pool_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <system_error>

#include "crayon/base/error.h"
#include "crayon/base/files.h"
#include "crayon/base/sha256.h"
#include "crayon/formats/adapter_file.h"
#include "crayon/pool/internal/pool_files.h"

namespace crayon {
namespace {

namespace fs = std::filesystem;

constexpr const char* kDraftFolder = ".new-pool.part";

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
  try {
    return files_of(read_manifest(folder));
  } catch (const Error&) {  // no pool, or a broken one: nothing is known to be its own
    return {};
  }
}

/// The manifest comes last: where no other file has the name of an old one, the old pool is whole
/// until then.
void replace_files(const fs::path& folder, const std::vector<PoolFile>& files,
                   const std::vector<std::string>& kept) {
  const std::vector<std::string> old = files_of_pool(folder);
  const Draft draft(folder);
  for (const PoolFile& file : files) draft.write(file);
  for (const PoolFile& file : files) {  // what can be known to fail does so before the first move
    fs::create_directories((folder / file.file).parent_path());
    check_output(folder / file.file);
  }
  for (const PoolFile& file : files) draft.move_to(folder, file);
  for (const std::string& name : old) {
    const bool stays = std::ranges::find(files, name, &PoolFile::file) != files.end() ||
                       std::ranges::find(kept, name) != kept.end();
    std::error_code ignored;  // a file too many does no harm
    if (!stays) fs::remove(folder / name, ignored);
  }
}

}  // namespace

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

void seal_pool(PoolManifest& manifest, const Gate& gate, std::vector<PoolFile>& files,
               const fs::path& folder) {
  files.push_back({manifest.gate_file, write_gate(gate)});
  manifest.gate_sha256 = sha256_hex(files.back().bytes);
  manifest.id = pool_id(manifest);
  add_manifest(manifest, files, folder);
}

void add_manifest(const PoolManifest& manifest, std::vector<PoolFile>& files,
                  const fs::path& folder) {
  const std::string text = write_pool_manifest(manifest);
  try {
    (void)parse_pool_manifest(text, "the new pool.json");  // what cannot be read is not written
  } catch (const Error& error) {
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("{}: cannot become a pool: {}", folder.string(), error.what()));
  }
  const auto bytes = std::as_bytes(std::span(text));
  files.push_back({kManifestFile, {bytes.begin(), bytes.end()}});
}

void put_files(const fs::path& folder, const std::vector<PoolFile>& files,
               const std::vector<std::string>& kept) {
  bool is_new = false;
  const auto undo = [&] {
    std::error_code ignored;
    if (is_new) fs::remove(folder, ignored);  // only when it is empty
  };
  try {
    is_new = fs::create_directories(folder);
    replace_files(folder, files, kept);
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

std::vector<std::string> files_of(const PoolManifest& manifest) {
  std::vector<std::string> files{manifest.gate_file};
  for (const auto& entry : manifest.adapters) files.push_back(entry.file);
  for (const auto& entry : manifest.shared) files.push_back(entry.file);
  return files;
}

}  // namespace crayon
