#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "crayon/adapter/blend.h"
#include "crayon/base/error.h"
#include "crayon/pool/edit_pool.h"
#include "crayon/pool/internal/pool_files.h"
#include "crayon/pool/internal/pool_writer.h"

namespace crayon {
namespace {

using Json = nlohmann::json;

void check_rank(int rank, const char* option) {
  if (rank >= 1) return;
  throw Error(ErrorCode::InvalidArgument,
              fmt::format("{} is {}; expected a rank of at least 1", option, rank));
}

/// Puts adapters into the new pool, each at most of a rank, and says what that costs.
class Shrinker {
 public:
  Shrinker(const Pool& pool, PoolEdit& edit) : pool_(pool), edit_(edit) {}

  void shrink(PoolAdapterEntry& entry, const Adapter& adapter, int rank) {
    Json line = {{"name", entry.name}, {"rank", entry.rank}, {"relative_error", 0.0}};
    auto bytes = read_pool_file(pool_.folder(), entry.file, entry.sha256);
    entry.file = "adapters/" + entry.name + ".gguf";
    if (entry.rank > rank) {
      const BlendPart whole[] = {{adapter, 1.0f}};
      Blend small = blend(whole, {.mode = BlendMode::LowRank, .rank = rank});
      line["relative_error"] = std::round(small.relative_error * 1e4) / 1e4;
      edit_.files.push_back(
          make_adapter_file(entry, std::move(small.adapter), edit_.manifest.base));
    } else {
      edit_.files.push_back({entry.file, std::move(bytes)});
    }
    lines_.push_back(std::move(line));
  }
  [[nodiscard]] Json lines() && { return std::move(lines_); }

 private:
  const Pool& pool_;
  PoolEdit& edit_;
  Json lines_ = Json::array();
};

}  // namespace

PoolEdit shrink_pool(const Pool& pool, const ShrinkOptions& options) {
  check_rank(options.rank, "rank");
  check_rank(options.shared_rank.value_or(1), "shared rank");
  PoolEdit edit{.manifest = pool.manifest(), .gate = pool.gate(), .files = {}, .from_id = {}};
  PoolManifest& manifest = edit.manifest;
  manifest.name = options.name;
  manifest.gate_file = PoolManifest().gate_file;
  manifest.calibration.approximate = true;
  Shrinker shrinker(pool, edit);
  for (std::size_t i = 0; i < pool.size(); ++i) {
    shrinker.shrink(manifest.adapters[i], pool.adapters()[i], options.rank);
  }
  for (PoolAdapterEntry& entry : manifest.shared) {
    shrinker.shrink(entry, *pool.shared(), options.shared_rank.value_or(entry.rank));
  }
  manifest.training_json = Json{{"shrunk_from",
                                 {{"id", pool.manifest().id},
                                  {"adapters", std::move(shrinker).lines()},
                                  {"training", Json::parse(pool.manifest().training_json)}}}}
                               .dump();
  seal_pool(manifest, edit.gate, edit.files, options.name);
  return edit;
}

}  // namespace crayon
