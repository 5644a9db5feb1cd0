#include <Eigen/Cholesky>
#include <algorithm>

#include "crayon/gate/head.h"
#include "crayon/gate/internal/vectors.h"

namespace crayon {
namespace {

using internal::require;
using RowMajorF = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

std::vector<std::uint64_t> distinct(std::vector<std::uint64_t> labels) {
  std::sort(labels.begin(), labels.end());
  labels.erase(std::unique(labels.begin(), labels.end()), labels.end());
  return labels;
}

void check_input(const Matrix& z, std::span<const std::string> labels, double lambda) {
  internal::require_shape(z, "probe: embeddings");
  require(z.rows >= 1 && z.cols >= 1 && labels.size() == z.rows,
          fmt::format("probe: {} labels for embeddings [{}, {}]; expected one for each row, at "
                      "least one row",
                      labels.size(), z.rows, z.cols));
  require(std::isfinite(lambda) && lambda > 0,
          fmt::format("probe: lambda {}; expected a number above 0", lambda));
}

}  // namespace

Head fit_probe(const Matrix& z, std::span<const std::string> labels, double lambda) {
  check_input(z, labels, lambda);
  std::vector<std::uint64_t> hashes;
  for (const std::string& label : labels) hashes.push_back(label_hash(label));
  Head head;
  head.labels = distinct(hashes);
  head.probe_weight = 1;

  const auto n = static_cast<Eigen::Index>(z.rows);
  const auto m = static_cast<Eigen::Index>(z.cols);
  Eigen::MatrixXd x = Eigen::Map<const RowMajorF>(z.data.data(), n, m).cast<double>();
  Eigen::MatrixXd y = Eigen::MatrixXd::Zero(n, static_cast<Eigen::Index>(head.labels.size()));
  for (Eigen::Index i = 0; i < n; ++i) {
    const auto at = std::lower_bound(head.labels.begin(), head.labels.end(),
                                     hashes[static_cast<std::size_t>(i)]);
    y(i, at - head.labels.begin()) = 1;
  }
  // Centring both sides takes the constant out of the penalty.
  const Eigen::RowVectorXd x_mean = x.colwise().mean();
  const Eigen::RowVectorXd y_mean = y.colwise().mean();
  x.rowwise() -= x_mean;
  y.rowwise() -= y_mean;
  const Eigen::MatrixXd normal = x.transpose() * x + lambda * Eigen::MatrixXd::Identity(m, m);
  const Eigen::MatrixXd w = normal.llt().solve(x.transpose() * y);  // [m, labels]

  head.probe = Matrix(head.labels.size(), z.cols + 1);
  Eigen::Map<RowMajorF> out(head.probe.data.data(), y.cols(), m + 1);
  out.leftCols(m) = w.transpose().cast<float>();
  out.col(m) = (y_mean - x_mean * w).transpose().cast<float>();
  return head;
}

}  // namespace crayon
