// Small sums over rows of float32, in double, and the checks that all of this part shares.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <span>
#include <string_view>

#include "crayon/base/error.h"
#include "crayon/base/matrix.h"

namespace crayon::internal {

inline double dot(std::span<const float> a, std::span<const float> b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += double{a[i]} * double{b[i]};
  return sum;
}

/// Scales to norm 1; a zero vector stays zero.
inline void normalize(std::span<float> v) {
  const double norm = std::sqrt(dot(v, v));
  if (norm == 0) return;
  for (float& x : v) x = static_cast<float>(double{x} / norm);
}

inline bool all_finite(std::span<const float> values) {
  return std::all_of(values.begin(), values.end(), [](float x) { return std::isfinite(x); });
}

inline void require(bool holds, std::string_view message) {
  if (!holds) throw Error(ErrorCode::InvalidArgument, std::string(message));
}

inline void require_finite(std::span<const float> values, std::string_view what) {
  require(all_finite(values),
          fmt::format("{}: a number is not finite; expected finite numbers", what));
}

inline void require_size(std::size_t found, std::size_t expected, std::string_view what) {
  require(found == expected, fmt::format("{}: {} numbers; expected {}", what, found, expected));
}

inline void require_shape(const Matrix& m, std::string_view what) {
  require(m.data.size() == m.rows * m.cols,
          fmt::format("{}: {} numbers; its shape [{}, {}] needs {}", what, m.data.size(), m.rows,
                      m.cols, m.rows * m.cols));
  require_finite(m.data, what);
}

}  // namespace crayon::internal
