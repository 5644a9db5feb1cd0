#include "crayon/stats/internal/ranking.h"

#include <algorithm>
#include <numeric>

namespace crayon {

Ranking::Ranking(std::span<const double> scores) : order_(scores.size()) {
  std::iota(order_.begin(), order_.end(), std::size_t{0});
  std::ranges::stable_sort(order_, {}, [&](std::size_t i) { return scores[i]; });
  for (std::size_t i = 0; i < order_.size(); ++i) {
    if (i + 1 == order_.size() || scores[order_[i]] != scores[order_[i + 1]]) {
      ends_.push_back(i + 1);
    }
  }
}

void Ranking::sums(std::span<const double> values, std::span<const std::uint32_t> counts,
                   std::vector<double>& sums) const {
  sums.assign(1, 0.0);
  std::size_t begin = 0;
  for (const std::size_t end : ends_) {
    double total = 0;
    std::size_t n = 0;
    for (std::size_t i = begin; i < end; ++i) {
      const std::size_t count = counts.empty() ? 1 : counts[order_[i]];
      total += static_cast<double>(count) * values[order_[i]];
      n += count;
    }
    const double before = sums.back();
    for (std::size_t k = 1; k <= n; ++k) {
      sums.push_back(before + total * static_cast<double>(k) / static_cast<double>(n));
    }
    begin = end;
  }
}

}  // namespace crayon
