#include <fmt/format.h>

#include <functional>
#include <optional>

#include "crayon/base/error.h"
#include "crayon/formats/adapter_file.h"
#include "crayon/formats/model_file.h"
#include "crayon/pool/internal/pool_files.h"
#include "crayon/pool/pool.h"

namespace crayon {
namespace {

namespace fs = std::filesystem;

/// Collects findings; a check is a function that returns what is good or throws what is not.
class Findings {
 public:
  void check(const std::string& what, const std::function<std::string()>& run) {
    try {
      found_.push_back({what, true, run()});
    } catch (const Error& error) {
      found_.push_back({what, false, error.what()});
    }
  }
  std::vector<PoolCheck> take() { return std::move(found_); }

 private:
  std::vector<PoolCheck> found_;
};

std::string describe(const Gate& gate) {
  return fmt::format("{} keys of {} numbers, layer {}, {} reference prompts", gate.size(),
                     gate.keys.cols, gate.embedding.layer, gate.reference.rows);
}

std::string check_id(const PoolManifest& manifest) {
  const std::string wanted = pool_id(manifest);
  if (manifest.id != wanted) {
    throw Error(ErrorCode::Incompatible,
                fmt::format("pool.json: has id '{}', but its hashes give '{}'; fetch or make the "
                            "pool again",
                            manifest.id, wanted));
  }
  return manifest.id;
}

struct CheckedAdapter {
  std::string path;
  Adapter adapter;
};

/// Reads each adapter once, and keeps those that are good.
std::vector<CheckedAdapter> check_adapters(const fs::path& folder, const PoolManifest& manifest,
                                           Findings& findings) {
  std::vector<PoolAdapterEntry> entries = manifest.adapters;
  entries.insert(entries.end(), manifest.shared.begin(), manifest.shared.end());
  std::vector<CheckedAdapter> good;
  for (const PoolAdapterEntry& entry : entries) {
    std::optional<std::vector<std::byte>> bytes;
    findings.check(entry.file + ": SHA-256", [&] {
      bytes = read_pool_file(folder, entry.file, entry.sha256);
      return entry.sha256;
    });
    if (!bytes) continue;  // another file than the pool's: what it holds does not matter
    findings.check(entry.file + ": contents", [&] {
      good.push_back({(folder / entry.file).string(),
                      parse_pool_adapter(std::move(*bytes), folder, manifest, entry)});
      return fmt::format("{} matrices of rank {}", good.back().adapter.tensors.size(), entry.rank);
    });
  }
  return good;
}

std::string check_shapes(const std::vector<CheckedAdapter>& checked) {
  std::vector<Adapter> adapters;
  for (const CheckedAdapter& good : checked) adapters.push_back(good.adapter);
  const Blender blender(std::move(adapters));  // refuses shapes that differ
  return fmt::format("{} adapters of the same shapes", checked.size());
}

std::string check_model(const PoolManifest& manifest, const std::vector<CheckedAdapter>& adapters,
                        const fs::path& model) {
  const Gguf gguf = Gguf::open(model);
  const BaseModel base = describe_model(model);
  const BaseFit fit = check_base(manifest.base, base, fmt::format("pool '{}'", manifest.name));
  for (const auto& [path, adapter] : adapters) check_fits_model(adapter, gguf, path);
  return fit == BaseFit::Same ? "the same file"
                              : "another quantisation; the calibration is approximate";
}

}  // namespace

std::vector<PoolCheck> verify_pool(const fs::path& folder, const fs::path& model) {
  Findings findings;
  std::optional<PoolManifest> manifest;
  findings.check(kManifestFile, [&] {
    manifest = read_manifest(folder);
    return fmt::format("{} adapters for {}", manifest->adapters.size(), manifest->base.id());
  });
  if (!manifest) return findings.take();

  findings.check("pool.json: architecture", [&] {
    check_architecture(manifest->base.architecture, (folder / kManifestFile).string());
    return manifest->base.architecture;
  });
  findings.check("pool.json: id", [&] { return check_id(*manifest); });
  findings.check(manifest->gate_file, [&] { return describe(read_pool_gate(folder, *manifest)); });
  const std::vector<CheckedAdapter> adapters = check_adapters(folder, *manifest, findings);
  if (!model.empty()) {
    findings.check("model " + model.string(),
                   [&] { return check_model(*manifest, adapters, model); });
  }
  if (!adapters.empty()) {
    findings.check("adapters: shapes", [&] { return check_shapes(adapters); });
  }
  return findings.take();
}

}  // namespace crayon
