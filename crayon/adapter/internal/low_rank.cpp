#include "crayon/adapter/internal/low_rank.h"

#include <Eigen/QR>
#include <Eigen/SVD>
#include <algorithm>

namespace crayon::internal {
namespace {

using RowMajorF = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using RowMajorD = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

Eigen::Map<const RowMajorF> view(const Matrix& m) {
  return {m.data.data(), static_cast<Eigen::Index>(m.rows), static_cast<Eigen::Index>(m.cols)};
}
Eigen::Map<RowMajorF> view(Matrix& m) {
  return {m.data.data(), static_cast<Eigen::Index>(m.rows), static_cast<Eigen::Index>(m.cols)};
}

ThinQr thin_qr(const Eigen::MatrixXd& x) {
  const Eigen::HouseholderQR<Eigen::MatrixXd> qr(x);
  const Eigen::Index k = std::min(x.rows(), x.cols());
  ThinQr out{Matrix(static_cast<std::size_t>(x.rows()), static_cast<std::size_t>(k)),
             std::vector<double>(static_cast<std::size_t>(k * x.cols()))};
  const Eigen::MatrixXd q = qr.householderQ() * Eigen::MatrixXd::Identity(x.rows(), k);
  view(out.q) = q.cast<float>();
  Eigen::Map<RowMajorD>(out.r.data(), k, x.cols()) =
      qr.matrixQR().topRows(k).triangularView<Eigen::Upper>();
  return out;
}

Eigen::Map<const RowMajorD> upper(const ThinQr& qr, std::size_t columns) {
  return {qr.r.data(), static_cast<Eigen::Index>(qr.q.cols), static_cast<Eigen::Index>(columns)};
}

}  // namespace

Factors factorize(const TensorGroup& group) {
  const std::vector<float> ones(group.members.size(), 1.0f);
  const Stacked all = stack(group, ones);
  return {thin_qr(view(all.a).transpose().cast<double>()), thin_qr(view(all.b).cast<double>())};
}

LowRank truncate(const Factors& factors, std::span<const double> columns, std::size_t rank) {
  const Eigen::Map<const Eigen::VectorXd> c(columns.data(),
                                            static_cast<Eigen::Index>(columns.size()));
  const Eigen::MatrixXd core = upper(factors.b, columns.size()) * c.asDiagonal() *
                               upper(factors.a, columns.size()).transpose();
  const Eigen::BDCSVD<Eigen::MatrixXd> svd(core, Eigen::ComputeThinU | Eigen::ComputeThinV);
  const Eigen::VectorXd& sigma = svd.singularValues();
  const Eigen::Index kept = std::min(static_cast<Eigen::Index>(rank), sigma.size());
  const Eigen::VectorXd root = sigma.head(kept).cwiseSqrt();
  const Eigen::MatrixXf left = (svd.matrixU().leftCols(kept) * root.asDiagonal()).cast<float>();
  const Eigen::MatrixXf right = (svd.matrixV().leftCols(kept) * root.asDiagonal()).cast<float>();

  LowRank out{Matrix(static_cast<std::size_t>(kept), factors.a.q.rows),
              Matrix(factors.b.q.rows, static_cast<std::size_t>(kept)),
              sigma.tail(sigma.size() - kept).squaredNorm(), sigma.squaredNorm()};
  view(out.b).noalias() = view(factors.b.q) * left;
  view(out.a).noalias() = right.transpose() * view(factors.a.q).transpose();
  return out;
}

}  // namespace crayon::internal
