#include "crayon/session/internal/solve.h"

#include <Eigen/Cholesky>
#include <Eigen/Core>

namespace crayon {

std::vector<double> solve_positive(std::span<const double> h, std::span<const double> g) {
  using RowMajor = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  const auto n = static_cast<Eigen::Index>(g.size());
  const Eigen::MatrixXd a = Eigen::Map<const RowMajor>(h.data(), n, n);
  const Eigen::VectorXd x = a.ldlt().solve(Eigen::Map<const Eigen::VectorXd>(g.data(), n));
  return {x.data(), x.data() + n};
}

}  // namespace crayon
