#include "crayon/stats/internal/mean_draws.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <numeric>

namespace crayon {
namespace {

constexpr double kMostApart = 64;      // above it, drawing one by one is as fast
constexpr double kNegligible = 1e-18;  // far below what a draw of 53 bits can tell from 0

/// The chances of whole numbers from `least` on.
struct Chances {
  double least = 0;
  std::vector<double> p;
};

bool few_whole_numbers(std::span<const double> values) {
  const auto [least, most] = std::minmax_element(values.begin(), values.end());
  return *most - *least <= kMostApart && std::abs(*least) < 1e9 &&
         std::all_of(values.begin(), values.end(), [](double x) { return x == std::floor(x); });
}

Chances chances_of(std::span<const double> values) {
  const auto [least, most] = std::minmax_element(values.begin(), values.end());
  Chances chances{*least, std::vector<double>(static_cast<std::size_t>(*most - *least) + 1)};
  for (const double x : values) {
    chances.p[static_cast<std::size_t>(x - *least)] += 1.0 / static_cast<double>(values.size());
  }
  return chances;
}

/// Without the ends that have next to no chance: keeps the work in the order of n, not n^2.
void trim(Chances& chances) {
  const auto counts = [](double p) { return p >= kNegligible; };
  auto& p = chances.p;
  p.erase(std::find_if(p.rbegin(), p.rend(), counts).base(), p.end());
  const auto first = std::find_if(p.begin(), p.end(), counts);
  chances.least += static_cast<double>(first - p.begin());
  p.erase(p.begin(), first);
}

/// Of the sum of two independent numbers.
Chances sum_of(const Chances& x, const Chances& y) {
  Chances sum{x.least + y.least, std::vector<double>(x.p.size() + y.p.size() - 1)};
  for (std::size_t i = 0; i < x.p.size(); ++i) {
    for (std::size_t j = 0; j < y.p.size(); ++j) sum.p[i + j] += x.p[i] * y.p[j];
  }
  trim(sum);
  return sum;
}

/// Of the sum of n independent numbers, by doubling.
Chances sum_of_many(Chances one, std::size_t n) {
  Chances sum{0, {1.0}};
  for (; n > 0; n /= 2) {
    if (n % 2 == 1) sum = sum_of(sum, one);
    if (n > 1) one = sum_of(one, one);
  }
  return sum;
}

/// Two indices of 32 bits come from one number of the generator; the favour that this gives an
/// index is below n / 2^32.
double sum_one_by_one(const std::vector<double>& values, Rng& rng) {
  const std::uint64_t n = values.size();
  constexpr std::uint64_t kLow = 0xffffffff;
  double sum = 0;
  for (std::size_t i = 0; i + 1 < values.size(); i += 2) {
    const std::uint64_t bits = rng.next();
    sum += values[((bits >> 32) * n) >> 32] + values[((bits & kLow) * n) >> 32];
  }
  if (n % 2 == 1) sum += values[((rng.next() >> 32) * n) >> 32];
  return sum;
}

}  // namespace

MeanDraws::MeanDraws(std::span<const double> values) : n_(static_cast<double>(values.size())) {
  if (!few_whole_numbers(values)) {
    values_.assign(values.begin(), values.end());
    return;
  }
  Chances sum = sum_of_many(chances_of(values), values.size());
  least_ = sum.least;
  cumulative_ = std::move(sum.p);
  std::partial_sum(cumulative_.begin(), cumulative_.end(), cumulative_.begin());
  starts_.assign(std::bit_ceil(2 * cumulative_.size()), 0);
  std::uint32_t start = 0;
  for (std::size_t part = 0; part < starts_.size(); ++part) {
    const double from = static_cast<double>(part) / static_cast<double>(starts_.size());
    const double at = from * cumulative_.back();
    while (start + 1 < cumulative_.size() && cumulative_[start] <= at) ++start;
    starts_[part] = start;
  }
}

double MeanDraws::draw(Rng& rng) const {
  if (!values_.empty()) return sum_one_by_one(values_, rng) / n_;
  return mean(place(rng.uniform()));
}

}  // namespace crayon
