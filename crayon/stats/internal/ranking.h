// Questions in the order of their scores, and sums over the first k of them in expectation over all
// orders of equal scores: what every routing metric is made of.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace crayon {

class Ranking {
 public:
  /// @param scores  finite
  explicit Ranking(std::span<const double> scores);

  [[nodiscard]] std::size_t size() const { return order_.size(); }

  /// sums[k], k = 0..n': of `values` over the k questions of the least scores, each question being
  /// there `counts` times (n' in all); empty counts: once each.
  void sums(std::span<const double> values, std::span<const std::uint32_t> counts,
            std::vector<double>& sums) const;

 private:
  std::vector<std::size_t> order_;  ///< Ascending.
  std::vector<std::size_t> ends_;   ///< Behind the last question of each score, within `order_`.
};

}  // namespace crayon
