#include <Eigen/Eigenvalues>
#include <functional>

#include "crayon/gate/gate.h"
#include "crayon/gate/internal/vectors.h"

namespace crayon {
namespace {

using internal::require;
using RowMajorF = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// An eigenvector's sign is arbitrary: its largest component (the first of equals) is made
/// positive.
double sign_of(const Eigen::VectorXd& v) {
  Eigen::Index largest = 0;
  v.cwiseAbs().maxCoeff(&largest);
  return v[largest] < 0 ? -1.0 : 1.0;
}

Eigen::MatrixXd covariance(const Eigen::MatrixXd& centred) {
  Eigen::MatrixXd c = Eigen::MatrixXd::Zero(centred.cols(), centred.cols());
  c.selfadjointView<Eigen::Lower>().rankUpdate(centred.transpose(),
                                               1.0 / static_cast<double>(centred.rows()));
  return c;
}

}  // namespace

Whitening fit_whitening(const Matrix& h, std::size_t m) {
  internal::require_shape(h, "whitening: hidden states");
  require(h.rows >= 2, fmt::format("whitening: {} hidden states; expected at least 2", h.rows));
  require(
      m >= 1 && m <= h.cols,
      fmt::format("whitening: {} directions of {} numbers; expected 1 to {}", m, h.cols, h.cols));
  const auto n = static_cast<Eigen::Index>(h.rows);
  const auto d = static_cast<Eigen::Index>(h.cols);
  Eigen::MatrixXd rows = Eigen::Map<const RowMajorF>(h.data.data(), n, d).cast<double>();
  const Eigen::RowVectorXd mean = rows.colwise().mean();
  rows.rowwise() -= mean;
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(covariance(rows));
  const double largest = solver.eigenvalues()[d - 1];  // ascending
  require(largest > 0, fmt::format("whitening: all {} hidden states are equal; expected different "
                                   "prompts",
                                   h.rows));

  Whitening out{std::vector<float>(h.cols), Matrix(m, h.cols)};
  Eigen::Map<Eigen::RowVectorXf>(out.mean.data(), d) = mean.cast<float>();
  for (std::size_t i = 0; i < m; ++i) {
    const Eigen::Index column = d - 1 - static_cast<Eigen::Index>(i);
    const Eigen::VectorXd u = solver.eigenvectors().col(column);
    const double lambda = std::max(0.0, solver.eigenvalues()[column]);
    const double scale = sign_of(u) / std::sqrt(lambda + 1e-3 * largest);
    Eigen::Map<Eigen::VectorXf>(out.projection.row(i).data(), d) = (scale * u).cast<float>();
  }
  return out;
}

std::vector<float> whiten(const Whitening& whitening, std::span<const float> h) {
  internal::require_size(h.size(), whitening.mean.size(), "whitening: hidden state");
  internal::require_size(whitening.projection.cols, whitening.mean.size(), "whitening: projection");
  internal::require_finite(h, "whitening: hidden state");
  std::vector<float> centred(h.size());
  std::transform(h.begin(), h.end(), whitening.mean.begin(), centred.begin(), std::minus<>());
  std::vector<float> z(whitening.projection.rows);
  for (std::size_t i = 0; i < z.size(); ++i) {
    z[i] = static_cast<float>(internal::dot(whitening.projection.row(i), centred));
  }
  internal::normalize(z);
  return z;
}

Matrix whiten(const Whitening& whitening, const Matrix& h) {
  Matrix z(h.rows, whitening.projection.rows);
  for (std::size_t r = 0; r < h.rows; ++r) {
    const auto row = whiten(whitening, h.row(r));
    std::copy(row.begin(), row.end(), z.row(r).begin());
  }
  return z;
}

}  // namespace crayon
