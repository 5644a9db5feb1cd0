#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "crayon/base/error.h"
#include "crayon/pool/edit_pool.h"
#include "crayon/pool/internal/pool_files.h"
#include "crayon/pool/internal/pool_writer.h"
#include "crayon/pool/internal/shares.h"

namespace crayon {
namespace {

Error incompatible(const Pool& first, const Pool& second, const std::string& what,
                   const std::string& todo) {
  return {ErrorCode::Incompatible, fmt::format("pools '{}' and '{}': {}; {}", first.manifest().id,
                                               second.manifest().id, what, todo)};
}

bool same(const Matrix& a, const Matrix& b) {
  return a.rows == b.rows && a.cols == b.cols && a.data == b.data;
}

/// What a weight means must be the same in both.
void check_tilts(const Pool& first, const Pool& second) {
  const Gate& a = first.gate();
  const Gate& b = second.gate();
  if (a.modulated == b.modulated && a.max_tilt == b.max_tilt && a.shared_least == b.shared_least) {
    return;
  }
  const auto text = [](const Gate& gate) {
    return fmt::format(
        "{} with max_tilt {}{}", gate.modulated ? "modulated" : "plain", gate.max_tilt,
        gate.shared_least == 1 ? "" : fmt::format(" and shared_least {}", gate.shared_least));
  };
  throw incompatible(first, second,
                     fmt::format("their gates are {} and {}, so one weight would mean two things",
                                 text(a), text(b)),
                     "add the adapters of one to the other one by one, with `crayon pool add`");
}

/// N_1 p_1 and N_2 p_2, over N_1 + N_2.
std::vector<float> joined_shares(const Gate& a, const Gate& b) {
  std::vector<float> shares;
  const auto n = static_cast<float>(a.size() + b.size());
  for (const Gate* gate : {&a, &b}) {
    for (const float p : even_shares(*gate)) {
      shares.push_back(p * static_cast<float>(gate->size()) / n);
    }
  }
  return shares;
}

/// Takes adapters into a new pool, file by file. Names that are taken get their pool's in front.
class Taker {
 public:
  explicit Taker(PoolEdit& edit) : edit_(edit) {}

  PoolAdapterEntry take(const Pool& pool, PoolAdapterEntry entry) {
    auto bytes = read_pool_file(pool.folder(), entry.file, entry.sha256);
    entry.name = free_name(pool.manifest().name, entry.name);
    entry.file = "adapters/" + entry.name + ".gguf";
    taken_.insert(entry.name);
    edit_.files.push_back({entry.file, std::move(bytes)});
    return entry;
  }

 private:
  [[nodiscard]] std::string free_name(const std::string& pool, const std::string& name) const {
    if (!taken_.contains(name)) return name;
    std::string longer = fmt::format("{}-{}", pool, name);
    for (int n = 2; taken_.contains(longer); ++n) longer = fmt::format("{}-{}-{}", pool, name, n);
    return longer;
  }

  PoolEdit& edit_;
  std::set<std::string> taken_;
};

/// What says of a merged pool how its parts were trained.
std::string origins(const Pool& first, const Pool& second) {
  using Json = nlohmann::json;
  Json parts = Json::array();
  for (const Pool* pool : {&first, &second}) {
    const PoolManifest& manifest = pool->manifest();
    parts.push_back({{"id", manifest.id}, {"training", Json::parse(manifest.training_json)}});
  }
  return Json{{"merged_from", std::move(parts)}}.dump();
}

/// The rows of the reference that came with adapters, or those that did not.
Matrix reference_part(const Pool& pool, bool of_adapters) {
  const Matrix& all = pool.gate().reference;
  std::size_t n = 0;
  for (const PoolAdapterEntry& entry : pool.manifest().adapters) {
    n += static_cast<std::size_t>(entry.reference_rows);
  }
  return of_adapters ? all.part(all.rows - n, n) : all.part(0, all.rows - n);
}

/// The keys of both, and their references: the pools' own rows first.
Gate side_by_side(const Pool& first, const Pool& second) {
  const std::string difference = key_difference(first.gate(), second.gate());
  if (!difference.empty()) {
    throw incompatible(first, second, difference + ", so their keys cannot stand side by side",
                       "give prompts of both pools' tasks with --prompts, on which the gate is "
                       "fitted anew");
  }
  Gate gate = first.gate();
  gate.keys = stacked(gate.keys, second.gate().keys);
  gate.reference = stacked(stacked(reference_part(first, false), reference_part(second, false)),
                           stacked(reference_part(first, true), reference_part(second, true)));
  return gate;
}

void check_size(const Gate& gate, const Pool& first, const Pool& second) {
  const std::size_t n = first.size() + second.size();
  if (gate.size() == n) return;
  throw Error(ErrorCode::InvalidArgument,
              fmt::format("a refitted gate of {} keys for {} adapters; expected one for each",
                          gate.size(), n));
}

void share_evenly(Gate& gate, const Pool& first, const Pool& second) {
  gate.modulated = first.gate().modulated;
  gate.max_tilt = first.gate().max_tilt;
  gate.shared_least = first.gate().shared_least;
  gate.even.clear();
  if (gate.modulated) gate.even = joined_shares(first.gate(), second.gate());
  drop_default_shares(gate);
}

}  // namespace

std::string key_difference(const Gate& a, const Gate& b) {
  if (!(a.embedding == b.embedding)) {
    return fmt::format("their embeddings are layer {}, {} and layer {}, {}", a.embedding.layer,
                       to_string(a.embedding.pooling), b.embedding.layer,
                       to_string(b.embedding.pooling));
  }
  if (a.whitening.mean != b.whitening.mean ||
      !same(a.whitening.projection, b.whitening.projection)) {
    return fmt::format("their whitenings ({} and {} numbers) were fitted on other prompts",
                       a.whitening.projection.rows, b.whitening.projection.rows);
  }
  if (a.temperature != b.temperature) {
    return fmt::format("their temperatures are {} and {}", a.temperature, b.temperature);
  }
  return "";
}

void check_merge(const Pool& first, const Pool& second) {
  const PoolManifest& a = first.manifest();
  const PoolManifest& b = second.manifest();
  (void)check_base(a.base, b.base, fmt::format("pool '{}'", a.id));
  if (!(a.prompt == b.prompt)) {
    throw incompatible(first, second, "their prompt formats differ",
                       "adapters know the format that they were trained on; train one pool anew");
  }
  const auto hash = [](const PoolManifest& m) {
    return m.shared.empty() ? std::string() : m.shared.front().sha256;
  };
  if (hash(a) != hash(b)) {
    throw incompatible(first, second, "their shared adapters differ",
                       "blend what is needed of one with `crayon blend`, and add it to the other "
                       "with `crayon pool add`");
  }
  check_tilts(first, second);
}

PoolEdit merge_pools(const Pool& first, const Pool& second, MergeOptions options) {
  check_merge(first, second);
  PoolEdit edit{
      .manifest = first.manifest(),
      .gate = options.refitted ? std::move(*options.refitted) : side_by_side(first, second),
      .files = {},
      .from = {}};
  check_size(edit.gate, first, second);
  share_evenly(edit.gate, first, second);

  PoolManifest& manifest = edit.manifest;
  manifest.name = options.name;
  manifest.gate_file = PoolManifest().gate_file;
  manifest.first_layer = std::min(manifest.first_layer, second.manifest().first_layer);
  manifest.calibration.approximate = true;
  if (options.refitted) manifest.scope = {};  // of another space
  manifest.training_json = origins(first, second);
  Taker taker(edit);
  for (PoolAdapterEntry& entry : manifest.shared) entry = taker.take(first, entry);
  manifest.adapters.clear();
  for (const Pool* pool : {&first, &second}) {
    for (PoolAdapterEntry entry : pool->manifest().adapters) {
      if (options.refitted) entry.reference_rows = 0;  // the new one is the pool's own
      manifest.adapters.push_back(taker.take(*pool, std::move(entry)));
    }
  }
  seal_pool(manifest, edit.gate, edit.files, options.name);
  return edit;
}

}  // namespace crayon
