// The random numbers of two-way bootstraps. They do not depend on the scores, so that bootstraps
// with the same seed and number of replicates share them. Each kind has a stream of its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "crayon/base/random.h"

namespace crayon {

class TwoWayDraws {
 public:
  TwoWayDraws(std::uint64_t seed, std::size_t replicates);

  [[nodiscard]] std::size_t replicates() const { return replicates_; }

  /// The stream of the t-th task of a bootstrap.
  [[nodiscard]] Rng task_stream(std::size_t t) const;
  /// [replicates] the first uniform numbers of that stream; valid until the next call.
  [[nodiscard]] const std::vector<double>& uniforms(std::size_t t);
  /// [replicates] standard normal; valid until this object goes.
  [[nodiscard]] const std::vector<double>& normals() const { return normals_; }
  /// [replicates] chi-squared with n > 0 degrees of freedom; valid until the next call.
  [[nodiscard]] const std::vector<double>& chi_squared(double n);

 private:
  /// What Marsaglia and Tsang's method tries for a gamma variable.
  struct Trial {
    double normal;
    double uniform;  ///< In (0, 1].
  };

  [[nodiscard]] const Trial& trial(std::size_t i);
  [[nodiscard]] std::vector<double> gamma_of_shape_one_up(double shape);

  std::uint64_t seed_;
  std::size_t replicates_;
  std::vector<std::vector<double>> uniforms_;
  std::vector<double> normals_;
  Rng trial_stream_;
  std::vector<Trial> trials_;
  double last_n_ =
      0;  ///< Degrees of freedom of `chi_`; all single tasks of a report have the same.
  std::vector<double> chi_;
};

}  // namespace crayon
