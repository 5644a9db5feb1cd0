#include "crayon/bench/result_store.h"

#include <fmt/format.h>

#include <span>
#include <vector>

#include "crayon/base/error.h"
#include "crayon/base/files.h"
#include "crayon/base/log.h"
#include "crayon/base/sha256.h"

namespace crayon {
namespace {

namespace fs = std::filesystem;

void make_folder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) {
    throw Error(ErrorCode::Unavailable, fmt::format("cannot make folder {}: {}; give another one",
                                                    folder.string(), error.message()));
  }
}

}  // namespace

ResultStore::ResultStore(fs::path folder) : folder_(std::move(folder)) { make_folder(folder_); }

fs::path ResultStore::folder_of(const nlohmann::json& key) const {
  const std::string hash = sha256_hex(std::string_view(key.dump()));
  return folder_ / hash.substr(0, 2) / hash.substr(2, 30);
}

std::optional<nlohmann::json> ResultStore::get(const nlohmann::json& key) const {
  const fs::path file = folder_of(key).string() + ".cbor";
  if (file_kind(file) != FileKind::File) return std::nullopt;
  const auto bytes = read_file(file);
  auto entry = nlohmann::json::from_cbor(bytes, true, false);
  if (!entry.is_object() || entry.value("key", nlohmann::json()) != key) {
    log_warning(fmt::format("{}: cannot be read; it is worked out anew", file.string()));
    return std::nullopt;
  }
  return entry.at("value");
}

void ResultStore::put(const nlohmann::json& key, const nlohmann::json& value) const {
  const fs::path file = folder_of(key).string() + ".cbor";
  make_folder(file.parent_path());
  const auto bytes = nlohmann::json::to_cbor({{"key", key}, {"value", value}});
  write_atomically(file, std::as_bytes(std::span(bytes)));
}

}  // namespace crayon
