// A row-major float32 matrix that owns its numbers: what parts hand to each other.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

namespace crayon {

struct Matrix {
  std::size_t rows = 0;
  std::size_t cols = 0;
  std::vector<float> data;  ///< rows * cols numbers, row by row.

  Matrix() = default;
  Matrix(std::size_t r, std::size_t c) : rows(r), cols(c), data(r * c) {}

  [[nodiscard]] float& at(std::size_t r, std::size_t c) { return data[r * cols + c]; }
  [[nodiscard]] float at(std::size_t r, std::size_t c) const { return data[r * cols + c]; }
  [[nodiscard]] std::span<float> row(std::size_t r) { return {data.data() + r * cols, cols}; }
  [[nodiscard]] std::span<const float> row(std::size_t r) const {
    return {data.data() + r * cols, cols};
  }
  /// A copy of rows begin to begin + n - 1, which there must be.
  [[nodiscard]] Matrix part(std::size_t begin, std::size_t n) const {
    Matrix rows_of_it(n, cols);
    std::copy_n(data.begin() + static_cast<std::ptrdiff_t>(begin * cols), n * cols,
                rows_of_it.data.begin());
    return rows_of_it;
  }
};

}  // namespace crayon
