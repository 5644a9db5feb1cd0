// Means of bootstrap resamples. Scores of right and wrong answers take few values, and then the
// mean of n draws is one draw from its exact distribution instead of n.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "crayon/base/random.h"

namespace crayon {

class MeanDraws {
 public:
  /// @param values  at least one, all finite; whole numbers that lie near each other are the fast
  ///                case
  explicit MeanDraws(std::span<const double> values);

  /// The mean of as many values, drawn with replacement, as there are.
  [[nodiscard]] double draw(Rng& rng) const;

  /// Does each mean take one uniform number? Then draw() is mean(place(rng.uniform())).
  [[nodiscard]] bool fast() const { return values_.empty(); }
  /// The fast case alone: all means that can be drawn, from the least on.
  [[nodiscard]] std::size_t n_means() const { return cumulative_.size(); }
  [[nodiscard]] double mean(std::size_t place) const {
    return (least_ + static_cast<double>(place)) / n_;
  }
  /// The fast case alone: where a mean stands among these, for a number in [0, 1).
  [[nodiscard]] std::size_t place(double uniform) const {
    const double at = uniform * cumulative_.back();
    std::size_t i =
        starts_[static_cast<std::size_t>(uniform * static_cast<double>(starts_.size()))];
    while (i + 1 < cumulative_.size() && cumulative_[i] <= at) ++i;
    return i;
  }

 private:
  std::vector<double> values_;      ///< Empty in the fast case.
  double n_ = 0;                    ///< How many there are.
  double least_ = 0;                ///< The least sum of n draws that has a chance,
  std::vector<double> cumulative_;  ///< and the chances of up to least_ + i.
  /// Where place() begins to look, for each of 2^b equal parts of [0, 1): a step or two are left.
  std::vector<std::uint32_t> starts_;
};

}  // namespace crayon
