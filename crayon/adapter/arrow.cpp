#include "crayon/adapter/arrow.h"

#include <fmt/format.h>

#include <Eigen/Eigenvalues>
#include <Eigen/QR>
#include <algorithm>
#include <cmath>
#include <numeric>

#include "crayon/base/error.h"

namespace crayon {
namespace {

using Eigen::Index;
using Eigen::MatrixXd;
using Eigen::VectorXd;
using RowMajorF = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

MatrixXd to_double(const Matrix& m) {
  return Eigen::Map<const RowMajorF>(m.data.data(), static_cast<Index>(m.rows),
                                     static_cast<Index>(m.cols))
      .cast<double>();
}

/// A^T = Q R, so B A = (B R^T) Q^T has the right singular vectors Q u, u those of B R^T, which are
/// the eigenvectors of R (B^T B) R^T.
VectorXd top_right_singular_vector(const LoraTensor& tensor) {
  const MatrixXd a_transposed = to_double(tensor.a).transpose();
  const MatrixXd b = to_double(tensor.b);
  const Index k = std::min(a_transposed.rows(), a_transposed.cols());
  const Eigen::HouseholderQR<MatrixXd> qr(a_transposed);
  const MatrixXd r = qr.matrixQR().topRows(k).triangularView<Eigen::Upper>();
  const MatrixXd core = r * (b.transpose() * b) * r.transpose();
  const Eigen::SelfAdjointEigenSolver<MatrixXd> eigen(core);
  if (!(eigen.eigenvalues()(k - 1) > 0)) return VectorXd::Zero(a_transposed.rows());
  VectorXd padded = VectorXd::Zero(a_transposed.rows());
  padded.head(k) = eigen.eigenvectors().col(k - 1);
  VectorXd v = qr.householderQ() * padded;
  Index largest = 0;
  v.cwiseAbs().maxCoeff(&largest);
  return v(largest) < 0 ? VectorXd(-v) : v;
}

void check_request(const Matrix& prototypes, std::span<const float> x,
                   const ArrowOptions& options) {
  if (prototypes.rows == 0 || prototypes.cols != x.size()) {
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("arrow: prototypes [{}, {}] for an input of {} numbers; expected at "
                            "least one prototype of the input's length",
                            prototypes.rows, prototypes.cols, x.size()));
  }
  if (options.top_k == 0) {
    throw Error(ErrorCode::InvalidArgument, "arrow: top_k 0; expected at least 1");
  }
  if (!(options.temperature > 0)) {
    throw Error(
        ErrorCode::InvalidArgument,
        fmt::format("arrow: temperature {}; expected a number above 0", options.temperature));
  }
}

std::vector<double> similarities(const Matrix& prototypes, std::span<const float> x) {
  std::vector<double> scores;
  for (std::size_t i = 0; i < prototypes.rows; ++i) {
    const auto v = prototypes.row(i);
    scores.push_back(std::abs(std::inner_product(x.begin(), x.end(), v.begin(), 0.0)));
  }
  return scores;
}

}  // namespace

std::vector<ArrowPrototype> arrow_prototypes(const Adapter& adapter) {
  check_adapter(adapter);
  std::vector<ArrowPrototype> prototypes;
  for (const LoraTensor& tensor : adapter.tensors) {
    const Eigen::VectorXf v = top_right_singular_vector(tensor).cast<float>();
    prototypes.push_back({tensor.name, {v.data(), v.data() + v.size()}});
  }
  return prototypes;
}

std::vector<float> arrow_coefficients(const Matrix& prototypes, std::span<const float> x,
                                      const ArrowOptions& options) {
  check_request(prototypes, x, options);
  const std::vector<double> scores = similarities(prototypes, x);
  std::vector<std::size_t> order(scores.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t i, std::size_t j) { return scores[i] > scores[j]; });
  order.resize(std::min(options.top_k, order.size()));

  std::vector<double> powers(scores.size());
  double sum = 0;
  for (const std::size_t i : order) {
    powers[i] = std::exp((scores[i] - scores[order.front()]) / options.temperature);
    sum += powers[i];
  }
  std::vector<float> shares;
  for (const double power : powers) shares.push_back(static_cast<float>(power / sum));
  return shares;
}

}  // namespace crayon
