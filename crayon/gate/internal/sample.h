// Random embeddings for the tests of this part.
#pragma once

#include "crayon/base/random.h"
#include "crayon/gate/internal/vectors.h"

namespace crayon::internal {

inline Matrix random_rows(std::size_t n, std::size_t d, Rng& rng) {
  Matrix m(n, d);
  for (float& x : m.data) x = static_cast<float>(rng.normal());
  return m;
}

inline Matrix random_unit_rows(std::size_t n, std::size_t d, Rng& rng) {
  Matrix m = random_rows(n, d, rng);
  for (std::size_t i = 0; i < n; ++i) normalize(m.row(i));
  return m;
}

/// Rows of norm 1 around `centre`, `spread` wide.
inline Matrix cluster(std::size_t n, std::span<const float> centre, double spread, Rng& rng) {
  Matrix m = random_rows(n, centre.size(), rng);
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t c = 0; c < centre.size(); ++c) {
      m.at(i, c) = centre[c] + static_cast<float>(spread) * m.at(i, c);
    }
    normalize(m.row(i));
  }
  return m;
}

}  // namespace crayon::internal
