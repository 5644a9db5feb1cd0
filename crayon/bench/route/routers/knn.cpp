// knn: how often the device was right on the nearest of the K examples, each by leave-one-out.
#include <algorithm>
#include <numeric>

#include "crayon/bench/route/router.h"

namespace crayon {

namespace {

constexpr std::size_t kNeighbours = 5;

std::vector<double> score(const RouterInput& input) {
  std::vector<double> scores;
  for (std::size_t i = 0; i < input.rows.size(); ++i) {
    const auto z = input.rows.z.row(i);
    std::vector<std::pair<float, double>> near;  // similarity, and was the device right
    for (std::size_t k = 0; k < input.own.z.rows; ++k) {
      const auto own = input.own.z.row(k);
      near.emplace_back(std::inner_product(z.begin(), z.end(), own.begin(), 0.0f),
                        input.own.device[k] != 0 ? 1.0 : 0.0);
    }
    const std::size_t n = std::min(kNeighbours, near.size());
    std::ranges::partial_sort(near, near.begin() + static_cast<std::ptrdiff_t>(n),
                              std::ranges::greater(), [](const auto& one) { return one.first; });
    double right = 0;
    for (std::size_t k = 0; k < n; ++k) right += near[k].second;
    scores.push_back(right);
  }
  return scores;
}

}  // namespace

CRAYON_BENCH_ROUTER(knn) = {
    .name = "knn",
    .order = 80,
    .summary = "the device was right on the five nearest examples by embedding",
    .knows = BenchRouter::Knows::Examples,
    .version = 1,
    .score = score,
};

}  // namespace crayon
