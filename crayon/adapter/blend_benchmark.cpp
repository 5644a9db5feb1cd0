// Blends of a pool like SmolLM2's: 8 adapters of rank 4 on the seven matrices of 15 layers.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>

#include "crayon/adapter/blend.h"
#include "crayon/adapter/internal/sample.h"

namespace crayon {
namespace {

constexpr std::size_t kAdapters = 8;
constexpr int kLayers = 15;

Adapter pool_adapter(std::uint64_t seed) {
  struct Shape {
    const char* name;
    std::size_t d_out, d_in;
  };
  constexpr Shape kShapes[] = {{"attn_k", 192, 576},    {"attn_output", 576, 576},
                               {"attn_q", 576, 576},    {"attn_v", 192, 576},
                               {"ffn_down", 576, 1536}, {"ffn_gate", 1536, 576},
                               {"ffn_up", 1536, 576}};
  Adapter adapter{"smollm2", {}};
  for (int layer = 15; layer < 15 + kLayers; ++layer) {
    for (const Shape& s : kShapes) {
      adapter.tensors.push_back(
          internal::sample_tensor(fmt::format("blk.{}.{}.weight", layer, s.name),
                                  {.d_out = s.d_out, .d_in = s.d_in, .rank = 4}, seed));
    }
  }
  return adapter;
}

std::vector<Adapter> pool() {
  std::vector<Adapter> adapters;
  for (std::uint64_t i = 0; i < kAdapters; ++i) adapters.push_back(pool_adapter(i));
  return adapters;
}

/// The factors are made in the first blend, which is not timed.
void BM_Blend(benchmark::State& state, const BlendOptions& options) {
  Blender blender(pool());
  const std::vector<float> weights(kAdapters, 0.125f);
  (void)blender.blend(weights, options);
  for (auto _ : state) {
    Blend blended = blender.blend(weights, options);
    benchmark::DoNotOptimize(blended);
  }
  state.SetItemsProcessed(state.iterations());  // blends per second
}
BENCHMARK_CAPTURE(BM_Blend, exact, BlendOptions{})->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(BM_Blend, lowrank_4, BlendOptions{BlendMode::LowRank, 4})
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(BM_Blend, lowrank_16, BlendOptions{BlendMode::LowRank, 16})
    ->Unit(benchmark::kMillisecond);

/// What the first low-rank blend costs on top: the QR factors.
void BM_FirstLowRankBlend(benchmark::State& state) {
  const std::vector<Adapter> adapters = pool();
  std::vector<BlendPart> parts;
  for (const Adapter& adapter : adapters) parts.push_back({adapter, 0.125f});
  for (auto _ : state) {
    Blend blended = blend(parts, {.mode = BlendMode::LowRank, .rank = 16});
    benchmark::DoNotOptimize(blended);
  }
  state.SetItemsProcessed(state.iterations());  // blends per second
}
BENCHMARK(BM_FirstLowRankBlend)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace crayon
