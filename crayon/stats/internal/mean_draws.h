// Means of bootstrap resamples. Scores of right and wrong answers take few values, and then the
// mean of n draws is one draw from its exact distribution instead of n.
#pragma once

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

 private:
  std::vector<double> values_;      ///< Empty in the fast case.
  double n_ = 0;                    ///< How many there are.
  double least_ = 0;                ///< The least sum of n draws that has a chance,
  std::vector<double> cumulative_;  ///< and the chances of up to least_ + i.
};

}  // namespace crayon
