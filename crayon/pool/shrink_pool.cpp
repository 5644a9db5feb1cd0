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

/// Puts an adapter into the new pool, at most of a rank.
void take(const Pool& pool, PoolAdapterEntry& entry, const Adapter& adapter, int rank,
          ShrunkPool& to) {
  to.adapters.push_back({.name = entry.name, .rank = entry.rank});
  auto bytes = read_pool_file(pool.folder(), entry.file, entry.sha256);
  entry.file = "adapters/" + entry.name + ".gguf";
  if (entry.rank <= rank) {
    to.edit.files.push_back({entry.file, std::move(bytes)});
    return;
  }
  const BlendPart whole[] = {{adapter, 1.0f}};
  Blend small = blend(whole, {.mode = BlendMode::LowRank, .rank = rank});
  to.adapters.back().relative_error = small.relative_error;
  to.edit.files.push_back(
      make_adapter_file(entry, std::move(small.adapter), to.edit.manifest.base));
}

/// What says of the new pool how it came to be.
std::string origin(const Pool& pool, const std::vector<ShrunkAdapter>& adapters) {
  Json lost = Json::array();
  for (const ShrunkAdapter& one : adapters) {
    lost.push_back({{"name", one.name},
                    {"rank", one.rank},
                    {"relative_error", std::round(one.relative_error * 1e4) / 1e4}});
  }
  return Json{{"shrunk_from",
               {{"id", pool.manifest().id},
                {"adapters", std::move(lost)},
                {"training", Json::parse(pool.manifest().training_json)}}}}
      .dump();
}

}  // namespace

ShrunkPool shrink_pool(const Pool& pool, const ShrinkOptions& options) {
  check_rank(options.rank, "rank");
  check_rank(options.shared_rank.value_or(1), "shared rank");
  ShrunkPool shrunk;
  PoolEdit& edit = shrunk.edit;
  edit.manifest = pool.manifest();
  edit.gate = pool.gate();
  PoolManifest& manifest = edit.manifest;
  manifest.name = options.name;
  manifest.gate_file = PoolManifest().gate_file;
  manifest.calibration.approximate = true;
  for (std::size_t i = 0; i < pool.size(); ++i) {
    take(pool, manifest.adapters[i], pool.adapters()[i], options.rank, shrunk);
  }
  for (PoolAdapterEntry& entry : manifest.shared) {
    take(pool, entry, *pool.shared(), options.shared_rank.value_or(entry.rank), shrunk);
  }
  manifest.training_json = origin(pool, shrunk.adapters);
  seal_pool(manifest, edit.gate, edit.files, options.name);
  return shrunk;
}

}  // namespace crayon
