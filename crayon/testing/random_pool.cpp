#include <fmt/format.h>

#include "crayon/base/random.h"
#include "crayon/formats/model_file.h"
#include "crayon/pool/pool.h"
#include "crayon/testing/random.h"

namespace crayon {

void write_random_pool(const std::filesystem::path& model, const std::filesystem::path& folder,
                       std::size_t n, const RandomModelOptions& shape) {
  PoolManifest manifest;
  manifest.name = "tiny";
  manifest.base = describe_model(model);
  manifest.first_layer = 1;
  manifest.prompt.without_context = "{question}";
  std::vector<Adapter> adapters;
  for (std::size_t i = 0; i < n; ++i) {
    adapters.push_back(random_model_adapter(shape, 1, 2, 10 + i));
    adapters.back().base_id = manifest.base.id();
    manifest.adapters.push_back({.name = fmt::format("a{}", i),
                                 .file = fmt::format("adapters/a{}.gguf", i),
                                 .sha256 = {},
                                 .rank = 2,
                                 .trained_on = {"nothing"},
                                 .licence = "none"});
  }
  const auto d = static_cast<std::size_t>(shape.d_model);
  Rng rng(4);
  Gate gate;
  gate.embedding = {1, Pooling::Last};
  gate.whitening.mean.assign(d, 0.0f);
  gate.whitening.projection = Matrix(4, d);
  for (float& x : gate.whitening.projection.data) x = static_cast<float>(rng.normal());
  Matrix keys(n, d);
  for (float& x : keys.data) x = static_cast<float>(rng.normal());
  gate.keys = whiten(gate.whitening, keys);
  write_pool(folder, manifest, gate, adapters);
}

}  // namespace crayon
