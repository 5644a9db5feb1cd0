#include "crayon/adapter/merge.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>

#include "crayon/adapter/internal/factors.h"
#include "crayon/adapter/internal/ties.h"
#include "crayon/base/error.h"
#include "crayon/base/random.h"

namespace crayon {

using internal::PartFactors;
using internal::Summands;

namespace internal {

Matrix keep_largest(const Matrix& matrix, double density) {
  if (density >= 1) return matrix;
  const auto kept = static_cast<std::size_t>(density * static_cast<double>(matrix.data.size()));
  std::vector<std::size_t> order(matrix.data.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t x, std::size_t y) {
    return std::abs(matrix.data[x]) > std::abs(matrix.data[y]);
  });
  Matrix trimmed(matrix.rows, matrix.cols);
  for (std::size_t i = 0; i < kept; ++i) trimmed.data[order[i]] = matrix.data[order[i]];
  return trimmed;
}

namespace {

double sign_of(double x) { return x > 0 ? 1.0 : (x < 0 ? -1.0 : 0.0); }

/// The sign of entry k that the matrices elect: 1 or -1.
double elect(std::span<const Matrix> trimmed, std::size_t k, SignElection how) {
  double votes = 0;
  for (const Matrix& m : trimmed) {
    const double entry = double{m.data[k]};
    votes += how == SignElection::Total ? entry : sign_of(entry);
  }
  return votes >= 0 ? 1.0 : -1.0;
}

}  // namespace

Matrix ties(const Summands& summands, const TiesOptions& options) {
  std::vector<Matrix> trimmed;
  for (const Matrix* m : summands.matrices) trimmed.push_back(keep_largest(*m, options.density));
  Matrix merged(trimmed.front().rows, trimmed.front().cols);
  for (std::size_t k = 0; k < merged.data.size(); ++k) {
    const double elected = elect(trimmed, k, options.sign);
    double sum = 0;
    int voters = 0;
    for (std::size_t i = 0; i < trimmed.size(); ++i) {
      const double entry = double{trimmed[i].data[k]};
      if (sign_of(entry) != elected) continue;
      sum += summands.factors[i] * entry;
      ++voters;
    }
    merged.data[k] = static_cast<float>(voters == 0 ? 0.0 : sum / voters);
  }
  return merged;
}

}  // namespace internal

namespace {

/// Shares w s between A and B evenly; A takes the sign, so that the product keeps it.
PartFactors share(double weight, double scale) {
  const double product = weight * scale;
  const double root = std::sqrt(std::abs(product));
  return {product < 0 ? -root : root, root};
}

void check_density(const char* who, double density) {
  if (density > 0 && density <= 1) return;
  throw Error(ErrorCode::InvalidArgument,
              fmt::format("{}: density {}; expected a number above 0 and at most 1", who, density));
}

Matrix drop_entries(const Matrix& matrix, double density, const KeepEntry& keep) {
  Matrix dropped(matrix.rows, matrix.cols);
  for (std::size_t k = 0; k < matrix.data.size(); ++k) {
    if (keep()) dropped.data[k] = static_cast<float>(double{matrix.data[k]} / density);
  }
  return dropped;
}

Matrix dare_sum(const Summands& summands, double density, const KeepEntry& keep) {
  std::vector<Matrix> dropped;
  for (const Matrix* m : summands.matrices) dropped.push_back(drop_entries(*m, density, keep));
  Summands rest{{}, summands.factors};
  for (const Matrix& m : dropped) rest.matrices.push_back(&m);
  return internal::weighted_sum(rest);
}

}  // namespace

Adapter merge_linear(std::span<const BlendPart> parts) {
  return internal::merge_factors("linear", parts, share, internal::weighted_sum);
}

Adapter merge_ties(std::span<const BlendPart> parts, const TiesOptions& options) {
  check_density("ties", options.density);
  return internal::merge_factors("ties", parts, share,
                                 [&](const Summands& s) { return internal::ties(s, options); });
}

KeepEntry random_keep(double density, std::uint64_t seed) {
  // Shared because std::function copies what it holds; all copies draw from one stream.
  return [density, rng = std::make_shared<Rng>(seed, "dare")] { return rng->uniform() < density; };
}

Adapter merge_dare(std::span<const BlendPart> parts, double density, const KeepEntry& keep) {
  check_density("dare", density);
  if (density >= 1) return internal::merge_factors("dare", parts, share, internal::weighted_sum);
  return internal::merge_factors("dare", parts, share,
                                 [&](const Summands& s) { return dare_sum(s, density, keep); });
}

}  // namespace crayon
