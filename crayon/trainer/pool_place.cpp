#include "crayon/trainer/internal/pool_place.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <nlohmann/json.hpp>

#include "crayon/base/error.h"
#include "crayon/base/files.h"
#include "crayon/base/sha256.h"
#include "crayon/pool/pool.h"

namespace crayon {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

fs::path manifest_of(const fs::path& folder) { return folder / "pool.json"; }

/// Itself, or the nearest folder above that is there.
fs::path nearest_folder(const fs::path& folder) {
  for (fs::path at = folder;; at = at.parent_path()) {
    const FileKind kind = file_kind(at);
    if (kind == FileKind::Folder) return at;
    std::error_code none;
    const bool lost_link = fs::is_symlink(at, none);
    if (kind == FileKind::None && !lost_link && at != at.parent_path()) continue;
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("{}: is a {}, expected a folder for the pool, or nothing yet; set "
                            "[pool] out to a folder",
                            at.string(), lost_link ? "link to no folder" : "file"));
  }
}

/// By making something: rights alone do not tell of disks that only read, nor of /proc.
void check_writable(const fs::path& folder) {
  std::string probe = (folder / ".new-pool.XXXXXX").string();
  if (mkdtemp(probe.data()) != nullptr && rmdir(probe.c_str()) == 0) return;
  throw Error(
      ErrorCode::Unavailable,
      fmt::format("{}: no pool can be written here: {}; set [pool] out to a folder that can "
                  "be written",
                  folder.string(), std::strerror(errno)));
}

bool is_own(const PoolManifest& manifest, const OwnPool& own) {
  if (own.config.empty() || manifest.adapters.size() != own.n_adapters) return false;
  const Json training = Json::parse(manifest.training_json, nullptr, /*allow_exceptions=*/false);
  return training.is_object() && training.value("config", Json()) == Json(own.config);
}

}  // namespace

void check_pool_place(const fs::path& folder) {
  for (const fs::path& part : {folder, folder / "adapters"}) check_writable(nearest_folder(part));
}

std::string pool_stamp(const fs::path& folder) {
  const fs::path manifest = manifest_of(folder);
  return file_kind(manifest) == FileKind::File ? sha256_file(manifest) : "";
}

void check_no_other_pool(const fs::path& folder, const OwnPool& own) {
  const std::string stamp = pool_stamp(folder);
  if (stamp.empty() || stamp == own.replaces) return;
  std::string found;
  try {
    const PoolManifest manifest = read_pool_manifest(folder);
    if (is_own(manifest, own)) return;
    found = fmt::format("the pool '{}' of {} adapters, which is not of this run", manifest.id,
                        manifest.adapters.size());
  } catch (const Error& error) {
    found = fmt::format("a pool that cannot be read ({})", error.what());
  }
  throw Error(
      ErrorCode::InvalidArgument,
      fmt::format("{}: holds {}; expected no pool, or one of this run; {}", folder.string(), found,
                  own.config.empty()
                      ? "use --restart to replace it, or set [pool] out to another folder"
                      : "move it away or set [pool] out to another folder, and go on with "
                        "--resume or --export"));
}

}  // namespace crayon
