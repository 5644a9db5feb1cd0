#include "crayon/models/models.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <system_error>

#include "crayon/base/error.h"
#include "crayon/base/files.h"
#include "crayon/base/nearest.h"
#include "crayon/models/internal/manifest_text.h"

namespace crayon {
namespace {

std::string suggestion(const std::string& name) {
  std::vector<std::string> known;
  for (const ModelEntry& entry : model_manifest()) known.push_back(entry.name);
  std::vector<std::string> near = nearest_names(name, known);
  if (near.empty()) near = known;
  return fmt::format("expected one like '{}'; `crayon models list` shows all",
                     fmt::join(near, "', '"));
}

const ModelEntry* find(const std::string& name) {
  const auto& all = model_manifest();
  const auto found = std::find_if(all.begin(), all.end(),
                                  [&](const ModelEntry& entry) { return entry.name == name; });
  return found == all.end() ? nullptr : &*found;
}

}  // namespace

const std::vector<ModelEntry>& model_manifest() {
  static const std::vector<ModelEntry> manifest =
      parse_model_manifest(kManifestText, "models/manifest.json");
  return manifest;
}

const ModelEntry& find_model(const std::string& name) {
  if (const ModelEntry* entry = find(name)) return *entry;
  throw Error(ErrorCode::NotFound, fmt::format("no model '{}'; {}", name, suggestion(name)));
}

std::filesystem::path model_path(const ModelEntry& entry) {
  return cache_folder() / "models" / entry.file;
}

bool is_fetched(const ModelEntry& entry) {
  std::error_code error;
  const std::uintmax_t bytes = std::filesystem::file_size(model_path(entry), error);
  return !error && bytes == entry.bytes;
}

std::filesystem::path resolve_model(const std::string& file_or_name,
                                    const std::function<void(const FetchProgress&)>& on_progress) {
  std::error_code ignored;
  if (std::filesystem::exists(file_or_name, ignored)) return file_or_name;
  if (const ModelEntry* entry = find(file_or_name)) return fetch_model(*entry, on_progress);
  throw Error(ErrorCode::NotFound, fmt::format("'{}' is neither a file nor a model's name; {}",
                                               file_or_name, suggestion(file_or_name)));
}

}  // namespace crayon
