#include "crayon/adapter/internal/cobyla.h"

#include <Eigen/LU>
#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

namespace crayon::internal {
namespace {

using Eigen::Index;
using Eigen::MatrixXd;
using Eigen::VectorXd;

constexpr double kWorst = 1e30;      // stands for values that no number can stand for
constexpr double kPoorRatio = 0.1;   // of actual to predicted fall: below it delta shrinks
constexpr double kGoodRatio = 0.7;   // above it delta may grow
constexpr double kShrink = 0.5;      // factor of delta after a poor step
constexpr double kGrow = 2.0;        // factor of delta after a good step
constexpr double kSnap = 1.5;        // delta up to this times rho becomes rho
constexpr double kSamePoint = 1e-4;  // times rho_end: closer points are one point
constexpr double kSingular = 1.0;    // largest entry of inverse * edges - 1 that is borne
constexpr double kLeastFall = 1e-6;  // times machine epsilon and rho: a fall that counts
// Times delta: longer edges make the geometry poor. Steps of delta that is halved twice after are
// just that long; the margin makes them good on every machine, whatever rounding did.
constexpr double kFarthestEdge = 2.0 * (1 + 1e-9);
constexpr int kStepsPerEvaluation = 10;  // bounds the steps that evaluate nothing

/// The best vertex, called the pole, and the edges that lead from it to the others.
struct Simplex {
  VectorXd pole;    ///< [n]
  MatrixXd edges;   ///< [n, n], one a column
  double best = 0;  ///< The value at the pole.
  VectorXd values;  ///< [n], at the ends of the edges

  [[nodiscard]] Index n() const { return edges.cols(); }
  /// Squares of the distances of all vertices, the pole last, from pole + d.
  [[nodiscard]] VectorXd squared_distances(const VectorXd& d) const {
    VectorXd squares(n() + 1);
    squares.head(n()) = (edges.colwise() - d).colwise().squaredNorm().transpose();
    squares(n()) = d.squaredNorm();
    return squares;
  }
  /// Makes vertex j the pole, and the pole vertex j.
  void swap_pole(Index j) {
    const VectorXd edge = edges.col(j);
    pole += edge;
    edges.col(j).setZero();
    edges.colwise() -= edge;
    std::swap(best, values(j));
  }
  /// Puts pole + d in the place of a vertex (n: the pole), then makes the best vertex the pole.
  void replace(Index vertex, const VectorXd& d, double value) {
    if (vertex < n()) {
      edges.col(vertex) = d;
      values(vertex) = value;
    } else {
      pole += d;
      edges.colwise() -= d;
      best = value;
    }
    Index least = 0;
    if (values.minCoeff(&least) < best) swap_pole(least);
  }
};

/// The linear model through all vertices.
struct Model {
  MatrixXd inverse;   ///< of the edges; row j is perpendicular to the face opposite vertex j
  VectorXd gradient;  ///< [n]
};
std::optional<Model> model_of(const Simplex& simplex) {
  const Index n = simplex.n();
  Model model{simplex.edges.inverse(), {}};
  const MatrixXd error = model.inverse * simplex.edges - MatrixXd::Identity(n, n);
  if (!(error.cwiseAbs().maxCoeff() <= kSingular)) return std::nullopt;
  const VectorXd rise = simplex.values.array() - simplex.best;
  model.gradient = model.inverse.transpose() * rise;
  return model;
}

class Search {
 public:
  Search(std::span<const double> start, const std::function<double(std::span<const double>)>& f,
         const CobylaOptions& options)
      : f_(f), options_(options), rho_(options.rho_begin), delta_(options.rho_begin) {
    begin(Eigen::Map<const VectorXd>(start.data(), static_cast<Index>(start.size())));
  }

  void run() {
    const std::size_t most = options_.budget * std::size_t{kStepsPerEvaluation};
    for (std::size_t i = 0; i < most && !done_ && !spent(); ++i) step();
  }
  [[nodiscard]] CobylaResult result() const { return best_; }

 private:
  [[nodiscard]] bool spent() const { return best_.evaluations >= options_.budget; }

  double evaluate(const VectorXd& point) {
    const std::vector<double> x(point.data(), point.data() + point.size());
    const double found = f_(x);
    const double value = std::isnan(found) ? kWorst : std::min(found, kWorst);
    if (best_.evaluations++ == 0 || value < best_.value) {
      best_.x = x;
      best_.value = value;
    }
    return value;
  }

  /// The value at pole + d; that of a vertex where the point is one.
  double value_at(const VectorXd& d) {
    Index nearest = 0;
    const double distance = simplex_.squared_distances(d).minCoeff(&nearest);
    const double same = kSamePoint * options_.rho_end;
    if (distance > same * same) return evaluate(simplex_.pole + d);
    return nearest < simplex_.n() ? simplex_.values(nearest) : simplex_.best;
  }

  /// The first simplex: one step along each axis, each from the best point so far.
  void begin(const VectorXd& start) {
    const Index n = start.size();
    simplex_ = {start, rho_ * MatrixXd::Identity(n, n), evaluate(start),
                VectorXd::Constant(n, kWorst)};
    for (Index j = 0; j < n && !spent(); ++j) {
      simplex_.values(j) = evaluate(simplex_.pole + VectorXd::Unit(n, j) * rho_);
      if (simplex_.values(j) < simplex_.best) {
        simplex_.swap_pole(j);
        // The vertices that follow start from the new pole.
        simplex_.edges.rightCols(n - j - 1) = rho_ * MatrixXd::Identity(n, n).rightCols(n - j - 1);
      }
    }
  }

  [[nodiscard]] bool good_geometry() const {
    const double most = kFarthestEdge * delta_;
    return simplex_.edges.colwise().squaredNorm().maxCoeff() <= most * most;
  }

  void set_delta(double delta) { delta_ = delta <= kSnap * rho_ ? rho_ : delta; }

  void adapt_delta(double ratio, double length) {
    if (ratio <= kPoorRatio) return set_delta(kShrink * length);
    const double grown = ratio <= kGoodRatio ? length : kGrow * length;
    set_delta(std::max(kShrink * delta_, grown));
  }

  /// The vertex that the step d from the pole should replace: far from the best point, and such
  /// that the simplex stays wide. None where the step does not help.
  [[nodiscard]] std::optional<Index> vertex_to_drop(const Model& model, const VectorXd& d,
                                                    bool better) const {
    const Index n = simplex_.n();
    const VectorXd distance = simplex_.squared_distances(better ? d : VectorXd(VectorXd::Zero(n)));
    const double unit = std::max(rho_, 0.1 * delta_);
    VectorXd lagrange(n + 1);
    lagrange.head(n) = model.inverse * d;
    lagrange(n) = 1 - lagrange.head(n).sum();
    VectorXd score = (distance / (unit * unit)).cwiseMax(1.0).cwiseProduct(lagrange.cwiseAbs());
    if (!better) score(n) = -1;
    Index drop = 0;
    if (score.maxCoeff(&drop) > 0) return drop;
    if (!better) return std::nullopt;
    distance.maxCoeff(&drop);
    return drop;
  }

  /// Tries the model's step; false where it brought nothing.
  bool try_step(const Model& model) {
    const double slope = model.gradient.norm();
    const double fall = delta_ * slope;  // what the model predicts
    if (!(fall > kLeastFall * std::numeric_limits<double>::epsilon() * rho_)) {
      length_ = slope > 0 ? delta_ : 0;
      set_delta(0.1 * delta_);
      return false;
    }
    const VectorXd d = model.gradient * (-delta_ / slope);
    length_ = std::min(delta_, d.norm());
    const double value = value_at(d);
    const double fell = simplex_.best - value;
    adapt_delta(fell / fall, length_);
    const auto drop = vertex_to_drop(model, d, fell > 0);
    if (drop) simplex_.replace(*drop, d, value);
    return fell > 0 && drop;
  }

  /// Moves the farthest vertex to half of delta above or below the opposite face.
  void improve_geometry(const Model& model) {
    Index farthest = 0;
    simplex_.edges.colwise().squaredNorm().maxCoeff(&farthest);
    VectorXd d = model.inverse.row(farthest).transpose();
    d *= 0.5 * delta_ / d.norm();
    if (d.dot(model.gradient) > 0) d = -d;
    simplex_.replace(farthest, d, value_at(d));
  }

  void reduce_rho() {
    const double ratio = rho_ / options_.rho_end;
    if (ratio <= 1) {
      done_ = true;
      return;
    }
    const double old = rho_;
    rho_ = ratio > 250 ? 0.1 * old
                       : (ratio <= 16 ? options_.rho_end : std::sqrt(ratio) * options_.rho_end);
    delta_ = std::max(0.5 * old, rho_);
  }

  void step() {
    const bool geometry_was_good = good_geometry();
    const auto model = model_of(simplex_);
    done_ = !model;  // rounding has flattened the simplex
    if (done_ || try_step(*model) || spent()) return;
    if (geometry_was_good) {
      if (std::max(delta_, length_) <= rho_) reduce_rho();
    } else if (!good_geometry()) {
      const auto now = model_of(simplex_);
      done_ = !now;
      if (!done_) improve_geometry(*now);
    }
  }

  const std::function<double(std::span<const double>)>& f_;
  CobylaOptions options_;
  double rho_;         ///< The resolution: the least delta; only falls.
  double delta_;       ///< Length of the next step.
  double length_ = 0;  ///< Length of the last one.
  bool done_ = false;
  Simplex simplex_;
  CobylaResult best_;
};

}  // namespace

CobylaResult cobyla(std::span<const double> start,
                    const std::function<double(std::span<const double>)>& f,
                    const CobylaOptions& options) {
  Search search(start, f, options);
  search.run();
  return search.result();
}

}  // namespace crayon::internal
