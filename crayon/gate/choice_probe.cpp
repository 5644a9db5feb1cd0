#include "crayon/gate/choice_probe.h"

#include <fmt/format.h>

#include <Eigen/Cholesky>
#include <Eigen/QR>
#include <algorithm>
#include <cmath>

#include "crayon/base/interrupt.h"
#include "crayon/gate/internal/vectors.h"

namespace crayon {
namespace {

using internal::require;

constexpr double kRidge = 100.0;  // on u; measured, customize.md
constexpr int kMaxSteps = 30;

/// phi [choices, d]
Eigen::MatrixXd features(const Matrix& states) {
  const auto n = static_cast<Eigen::Index>(states.rows);
  const auto d = static_cast<Eigen::Index>(states.cols);
  Eigen::MatrixXd phi(n, d);
  for (Eigen::Index c = 0; c < n; ++c) {
    const auto row = states.row(static_cast<std::size_t>(c));
    phi.row(c) = Eigen::Map<const Eigen::RowVectorXf>(row.data(), d).cast<double>();
    phi.row(c) /= std::max(1e-12, phi.row(c).norm() / std::sqrt(static_cast<double>(d)));
  }
  phi.rowwise() -= phi.colwise().mean().eval();
  return phi;
}

/// One example in the coordinates of the fit: z / sigma, [choices, n], and the scores.
struct Row {
  Eigen::MatrixXd x;
  Eigen::VectorXd scores;
  Eigen::Index answer;

  [[nodiscard]] Eigen::VectorXd logits(const Eigen::VectorXd& p) const { return scores + x * p; }
};

/// What an example adds to gradient and Hessian at one place: B'B and g.
struct Part {
  Eigen::MatrixXd b;  ///< [choices, n]: sqrt(P_c) (x_c - sum_c P_c x_c)
  Eigen::VectorXd g;
};

class Problem {
 public:
  explicit Problem(std::vector<Row> rows) : rows_(std::move(rows)), n_(rows_.front().x.cols()) {}

  [[nodiscard]] double loss(const Eigen::VectorXd& p) const {
    double sum = 0.5 * kRidge * p.squaredNorm();
    for (const Row& row : rows_) {
      const Eigen::VectorXd s = row.logits(p);
      sum += s.maxCoeff() + std::log((s.array() - s.maxCoeff()).exp().sum()) - s(row.answer);
    }
    return sum;
  }
  [[nodiscard]] std::vector<Part> parts(const Eigen::VectorXd& p) const {
    std::vector<Part> all;
    for (const Row& row : rows_) {
      const Eigen::VectorXd s = row.logits(p);
      Eigen::VectorXd share = (s.array() - s.maxCoeff()).exp();
      share /= share.sum();
      const Eigen::RowVectorXd mean = share.transpose() * row.x;
      Part part;
      part.b = share.cwiseSqrt().asDiagonal() * (row.x.rowwise() - mean);
      part.g = (mean - row.x.row(row.answer)).transpose();
      all.push_back(std::move(part));
    }
    return all;
  }
  [[nodiscard]] Eigen::LLT<Eigen::MatrixXd> hessian(const std::vector<Part>& parts) const {
    Eigen::MatrixXd h = kRidge * Eigen::MatrixXd::Identity(n_, n_);
    for (const Part& part : parts) h.selfadjointView<Eigen::Lower>().rankUpdate(part.b.transpose());
    return h.selfadjointView<Eigen::Lower>().llt();
  }
  [[nodiscard]] Eigen::VectorXd gradient(const Eigen::VectorXd& p,
                                         const std::vector<Part>& parts) const {
    Eigen::VectorXd g = kRidge * p;
    for (const Part& part : parts) g += part.g;
    return g;
  }
  [[nodiscard]] Eigen::VectorXd minimise() const;
  /// What each example's scores gain by the minimum without it.
  [[nodiscard]] std::vector<Eigen::VectorXd> gains_without_each(const Eigen::VectorXd& p) const;

 private:
  std::vector<Row> rows_;
  Eigen::Index n_;
};

Eigen::VectorXd Problem::minimise() const {
  Eigen::VectorXd p = Eigen::VectorXd::Zero(n_);
  double now = loss(p);
  for (int i = 0; i < kMaxSteps; ++i) {
    throw_if_interrupted();
    const auto at = parts(p);
    const Eigen::VectorXd step = -hessian(at).solve(gradient(p, at));
    double size = 1;
    Eigen::VectorXd next;
    double then = 0;
    do {
      next = p + size * step;
      then = loss(next);
      size /= 2;
    } while (!(then < now) && size > 1e-6);
    if (!(then < now)) break;
    const double gained = now - then;
    p = next;
    now = then;
    if (gained < 1e-9 * (1 + std::abs(now))) break;
  }
  return p;
}

/// p + (H - B'B)^-1 g: at the minimum the others' gradient is -g. By Woodbury's identity.
std::vector<Eigen::VectorXd> Problem::gains_without_each(const Eigen::VectorXd& p) const {
  const auto at = parts(p);
  const auto h = hessian(at);
  std::vector<Eigen::VectorXd> all;
  for (std::size_t k = 0; k < rows_.size(); ++k) {
    throw_if_interrupted();
    const Eigen::MatrixXd& b = at[k].b;
    const Eigen::MatrixXd hb = h.solve(b.transpose());
    const Eigen::VectorXd hg = h.solve(at[k].g);
    const Eigen::MatrixXd inner = Eigen::MatrixXd::Identity(b.rows(), b.rows()) - b * hb;
    all.push_back(rows_[k].x * (p + hg + hb * inner.ldlt().solve(b * hg)));
  }
  return all;
}

void check(std::span<const AnsweredChoices> examples) {
  require(!examples.empty(), "choice probe: no labelled example; expected at least one");
  const std::size_t d = examples.front().states.cols;
  for (const AnsweredChoices& example : examples) {
    const Matrix& states = example.states;
    internal::require_shape(states, "choice probe: states");
    require(states.rows == example.scores.size() && states.cols == d && example.answer >= 0 &&
                static_cast<std::size_t>(example.answer) < states.rows,
            fmt::format("choice probe: states [{}, {}] for {} scores and answer {}; expected [{}, "
                        "{}] and one of them",
                        states.rows, states.cols, example.scores.size(), example.answer,
                        example.scores.size(), d));
    internal::require_finite(example.scores, "choice probe: scores");
    internal::require_finite(states.data, "choice probe: states");
  }
}

/// Orthonormal columns [d, n] that span the features where these are fewer than d; else 1.
Eigen::MatrixXd basis_of(const Eigen::MatrixXd& phi) {
  if (phi.rows() >= phi.cols()) return Eigen::MatrixXd::Identity(phi.cols(), phi.cols());
  const Eigen::HouseholderQR<Eigen::MatrixXd> qr(phi.transpose());
  return qr.householderQ() * Eigen::MatrixXd::Identity(phi.cols(), phi.rows());
}

}  // namespace

ChoiceProbe fit_choice_probe(std::span<const AnsweredChoices> examples) {
  check(examples);
  Eigen::Index n = 0;
  for (const AnsweredChoices& example : examples) {
    n += static_cast<Eigen::Index>(example.scores.size());
  }
  Eigen::MatrixXd phi(n, static_cast<Eigen::Index>(examples.front().states.cols));
  Eigen::Index at = 0;
  for (const AnsweredChoices& example : examples) {
    const auto choices = static_cast<Eigen::Index>(example.scores.size());
    phi.middleRows(at, choices) = features(example.states);
    at += choices;
  }
  const double sigma = std::max(1e-12, phi.norm() / std::sqrt(static_cast<double>(phi.size())));
  const Eigen::MatrixXd basis = basis_of(phi);
  const Eigen::MatrixXd z = phi * basis / sigma;
  phi.resize(0, 0);  // as large as z
  std::vector<Row> rows;
  at = 0;
  for (const AnsweredChoices& example : examples) {
    const auto choices = static_cast<Eigen::Index>(example.scores.size());
    rows.push_back(
        {.x = z.middleRows(at, choices),
         .scores = Eigen::Map<const Eigen::VectorXf>(example.scores.data(), choices).cast<double>(),
         .answer = example.answer});
    at += choices;
  }
  const Problem problem(std::move(rows));
  const Eigen::VectorXd p = problem.minimise();

  ChoiceProbe probe;
  const Eigen::VectorXd v = basis * p / sigma;
  for (const double x : v) probe.direction.push_back(static_cast<float>(x));
  const auto gains = problem.gains_without_each(p);
  for (std::size_t k = 0; k < examples.size(); ++k) {
    std::vector<float> scores = examples[k].scores;
    for (std::size_t c = 0; c < scores.size(); ++c) {
      scores[c] += static_cast<float>(gains[k](static_cast<Eigen::Index>(c)));
    }
    probe.without_each.push_back(std::move(scores));
  }
  return probe;
}

std::vector<float> apply_choice_probe(std::span<const float> direction, const Matrix& states) {
  require(states.cols == direction.size(),
          fmt::format("choice probe: states of {} numbers for a direction of {}", states.cols,
                      direction.size()));
  const Eigen::MatrixXd phi = features(states);
  const Eigen::VectorXd v =
      Eigen::Map<const Eigen::VectorXf>(direction.data(), phi.cols()).cast<double>();
  const Eigen::VectorXd gains = phi * v;
  std::vector<float> out;
  for (const double x : gains) out.push_back(static_cast<float>(x));
  return out;
}

}  // namespace crayon
