#include "crayon/formats/internal/hash_cache.h"

#include <nlohmann/json.hpp>
#include <system_error>

#include "crayon/base/error.h"
#include "crayon/base/files.h"
#include "crayon/base/log.h"
#include "crayon/base/sha256.h"

namespace crayon {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr std::uint64_t kMaxCacheBytes = 1 << 20;
constexpr std::size_t kMaxFiles = 1000;
constexpr std::size_t kHexDigits = 64;

Json read_cache(const fs::path& file) {
  std::error_code missing;
  if (!fs::is_regular_file(file, missing) || fs::file_size(file, missing) > kMaxCacheBytes) {
    return Json::object();
  }
  try {
    Json cache = Json::parse(read_text(file), nullptr, /*allow_exceptions=*/false);
    if (cache.is_object() && cache.size() < kMaxFiles) return cache;
  } catch (const Error& error) {  // only time is lost
    log_debug(error.what());
  }
  return Json::object();
}

void write_cache(const fs::path& file, const Json& cache) {
  try {
    fs::create_directories(file.parent_path());
    write_atomically(file, cache.dump(1, ' ', true, Json::error_handler_t::replace));
  } catch (const std::exception& error) {  // only the next run's time is lost
    log_debug(error.what());
  }
}

bool is_hash(const Json& value) {
  return value.is_string() && value.get_ref<const std::string&>().size() == kHexDigits;
}

}  // namespace

std::string cached_sha256(const fs::path& path) {
  std::error_code failed;
  const fs::path whole = fs::canonical(path, failed);
  if (failed) return sha256_file(path);  // which says what is wrong
  const auto size = fs::file_size(whole, failed);
  const auto changed = fs::last_write_time(whole, failed).time_since_epoch().count();
  if (failed) return sha256_file(path);

  const fs::path file = cache_folder() / "hashes.json";
  Json cache = read_cache(file);
  const Json key = {{"size", size}, {"changed", changed}};
  const auto entry = cache.find(whole.string());
  if (entry != cache.end() && entry->is_object() && entry->value("of", Json()) == key &&
      entry->contains("sha256") && is_hash((*entry)["sha256"])) {
    return (*entry)["sha256"].get<std::string>();
  }
  const std::string hash = sha256_file(whole);
  cache[whole.string()] = {{"of", key}, {"sha256", hash}};
  write_cache(file, cache);
  return hash;
}

}  // namespace crayon
