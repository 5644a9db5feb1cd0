// Spherical k-means (Dhillon and Modha 2001) from a k-means++ start (Arthur and Vassilvitskii 2007)
// with the distance 1 - cosine.
#include "crayon/base/random.h"
#include "crayon/gate/gate.h"
#include "crayon/gate/internal/vectors.h"

namespace crayon {
namespace {

constexpr int kMaxRounds = 100;
constexpr int kStarts = 8;  // one start alone often puts two keys into one cluster

void set_row(Matrix& to, std::size_t r, std::span<const float> from) {
  std::copy(from.begin(), from.end(), to.row(r).begin());
}

/// An index drawn in proportion to `mass`; uniform when all of it is 0.
std::size_t draw(const std::vector<double>& mass, Rng& rng) {
  double total = 0;
  for (const double x : mass) total += x;
  if (total <= 0) return rng.below(mass.size());
  double left = rng.uniform() * total;
  for (std::size_t i = 0; i < mass.size(); ++i) {
    left -= mass[i];
    if (left < 0 && mass[i] > 0) return i;
  }
  return static_cast<std::size_t>(std::max_element(mass.begin(), mass.end()) - mass.begin());
}

Matrix first_keys(const Matrix& z, std::size_t n_keys, Rng& rng) {
  Matrix keys(n_keys, z.cols);
  set_row(keys, 0, z.row(rng.below(z.rows)));
  std::vector<double> distance(z.rows, 2.0);
  for (std::size_t k = 1; k < n_keys; ++k) {
    for (std::size_t i = 0; i < z.rows; ++i) {
      const double d = std::max(0.0, 1 - internal::dot(z.row(i), keys.row(k - 1)));
      distance[i] = std::min(distance[i], d);
    }
    set_row(keys, k, z.row(draw(distance, rng)));
  }
  return keys;
}

/// Each row's nearest key and its cosine.
struct Assignment {
  std::vector<std::size_t> key;
  std::vector<double> cosine;
};
Assignment assign(const Matrix& z, const Matrix& keys) {
  Assignment out{std::vector<std::size_t>(z.rows), std::vector<double>(z.rows, -2.0)};
  for (std::size_t i = 0; i < z.rows; ++i) {
    for (std::size_t k = 0; k < keys.rows; ++k) {
      const double cosine = internal::dot(z.row(i), keys.row(k));
      if (cosine > out.cosine[i]) {
        out.cosine[i] = cosine;
        out.key[i] = k;
      }
    }
  }
  return out;
}

/// Keys as the normalised sums of their rows. A key without rows moves to the row that is worst
/// served; one whose rows cancel out stays.
void move_keys(const Matrix& z, Assignment& assignment, Matrix& keys) {
  Matrix sums(keys.rows, keys.cols);
  std::vector<std::size_t> count(keys.rows);
  for (std::size_t i = 0; i < z.rows; ++i) {
    ++count[assignment.key[i]];
    const auto sum = sums.row(assignment.key[i]);
    const auto row = z.row(i);
    for (std::size_t c = 0; c < sum.size(); ++c) sum[c] += row[c];
  }
  for (std::size_t k = 0; k < keys.rows; ++k) {
    if (count[k] == 0) {
      auto& cosine = assignment.cosine;
      const auto worst = std::min_element(cosine.begin(), cosine.end());
      set_row(keys, k, z.row(static_cast<std::size_t>(worst - cosine.begin())));
      *worst = 1;  // served now: the next empty key takes another row
    } else if (internal::dot(sums.row(k), sums.row(k)) > 0) {
      set_row(keys, k, sums.row(k));
    }
    internal::normalize(keys.row(k));
  }
}

/// Keys from one start, and the sum of the rows' cosines to their keys.
struct Solution {
  Matrix keys;
  double cosine = 0;
};
Solution solve(const Matrix& z, std::size_t n_keys, Rng& rng) {
  Matrix keys = first_keys(z, n_keys, rng);
  Assignment assignment = assign(z, keys);
  for (int round = 0; round < kMaxRounds; ++round) {
    const auto before = assignment.key;
    move_keys(z, assignment, keys);
    assignment = assign(z, keys);
    if (assignment.key == before) break;
  }
  double sum = 0;
  for (const double cosine : assignment.cosine) sum += cosine;
  return {std::move(keys), sum};
}

}  // namespace

Matrix spherical_kmeans(const Matrix& z, std::size_t n_keys, std::uint64_t seed) {
  internal::require_shape(z, "k-means: embeddings");
  internal::require(n_keys >= 1, "k-means: 0 keys; expected at least one");
  internal::require(z.rows >= n_keys,
                    fmt::format("k-means: {} embeddings for {} keys; expected at least as many; "
                                "give more examples or ask for fewer adapters",
                                z.rows, n_keys));
  Rng rng(seed, "k-means");
  Solution best = solve(z, n_keys, rng);
  for (int start = 1; start < kStarts; ++start) {
    Solution next = solve(z, n_keys, rng);
    if (next.cosine > best.cosine) best = std::move(next);
  }
  return best.keys;
}

}  // namespace crayon
