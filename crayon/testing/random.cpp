#include "crayon/testing/random.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cmath>

#include "crayon/base/random.h"

namespace crayon {
namespace {

Matrix random_matrix(std::size_t rows, std::size_t cols, double deviation, Rng& rng) {
  Matrix matrix(rows, cols);
  for (auto& x : matrix.data) x = static_cast<float>(deviation * rng.normal());
  return matrix;
}

}  // namespace

Adapter random_adapter(const RandomAdapterOptions& options) {
  Adapter adapter{.base_id = options.base_id, .tensors = {}};
  std::vector<std::string> names = options.tensors;
  std::sort(names.begin(), names.end());
  for (const auto& name : names) {
    Rng rng(options.seed, name);
    adapter.tensors.push_back({.name = name,
                               .a = random_matrix(options.rank, options.d_in, 1, rng),
                               .b = random_matrix(options.d_out, options.rank, 1, rng),
                               .scale = options.scale});
  }
  return adapter;
}

Adapter random_model_adapter(const RandomModelOptions& model, int first_layer, std::size_t rank,
                             std::uint64_t seed) {
  const auto d = static_cast<std::size_t>(model.d_model);
  const auto kv =
      d / static_cast<std::size_t>(model.n_heads) * static_cast<std::size_t>(model.n_kv_heads);
  const auto ff = static_cast<std::size_t>(model.d_ff);
  struct Kind {
    const char* name;
    std::size_t d_out, d_in;
  };
  const Kind kinds[] = {{"attn_k", kv, d}, {"attn_output", d, d}, {"attn_q", d, d},
                        {"attn_v", kv, d}, {"ffn_down", d, ff},   {"ffn_gate", ff, d},
                        {"ffn_up", ff, d}};
  Adapter adapter;
  for (int layer = first_layer; layer < model.n_layers; ++layer) {
    for (const auto& kind : kinds) {
      const std::string name = fmt::format("blk.{}.{}.weight", layer, kind.name);
      Rng rng(seed, name);
      // A change of about a third of the weight's own size, so that a wrong sum shows.
      const double deviation = 1 / std::sqrt(static_cast<double>(kind.d_in));
      adapter.tensors.push_back({.name = name,
                                 .a = random_matrix(rank, kind.d_in, deviation, rng),
                                 .b = random_matrix(kind.d_out, rank, 0.3, rng),
                                 .scale = 1.5f});
    }
  }
  std::sort(adapter.tensors.begin(), adapter.tensors.end(),
            [](const LoraTensor& x, const LoraTensor& y) { return x.name < y.name; });
  return adapter;
}

TemporaryFolder::TemporaryFolder() {
  static std::atomic<int> count{0};
  path_ = std::filesystem::temp_directory_path() /
          fmt::format("crayon-test-{}-{}", getpid(), count.fetch_add(1));
  std::filesystem::create_directories(path_);
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace crayon
