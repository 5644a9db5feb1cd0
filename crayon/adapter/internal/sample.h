// Random adapters for the tests and the benchmark of this part, which stands below crayon/testing.
#pragma once

#include <cstdint>
#include <string>

#include "crayon/adapter/adapter.h"
#include "crayon/base/random.h"

namespace crayon::internal {

inline Matrix random_matrix(std::size_t rows, std::size_t cols, Rng& rng) {
  Matrix m(rows, cols);
  for (float& x : m.data) x = static_cast<float>(rng.normal());
  return m;
}

struct SampleShape {
  std::size_t d_out = 5;
  std::size_t d_in = 7;
  std::size_t rank = 2;
  float scale = 1.0f;
};

inline LoraTensor sample_tensor(const std::string& name, const SampleShape& shape,
                                std::uint64_t seed) {
  Rng rng(seed, name);
  return {name, random_matrix(shape.rank, shape.d_in, rng),
          random_matrix(shape.d_out, shape.rank, rng), shape.scale};
}

/// An adapter of one tensor, "blk.0.attn_q.weight".
inline Adapter sample_adapter(const SampleShape& shape, std::uint64_t seed,
                              const std::string& base_id = "tiny") {
  return {base_id, {sample_tensor("blk.0.attn_q.weight", shape, seed)}};
}

}  // namespace crayon::internal
