// Label calibration where answers are known: penalised maximum likelihood by Newton's method.
#include <Eigen/Cholesky>
#include <map>

#include "crayon/gate/head.h"
#include "crayon/gate/internal/vectors.h"

namespace crayon {
namespace {

using internal::require;

constexpr double kRidge = 1.0;  // on v; this and beta's prior were measured, customize.md
constexpr double kUsualBeta = 2.0, kBetaDeviation = 2.0;
constexpr double kLeastBeta = 0.05;  // a model worse than chance is not turned round
constexpr int kMaxSteps = 50;

/// One example: the places of its choices' labels, their scores less the prior's biases.
struct Row {
  std::vector<Eigen::Index> labels;
  std::vector<double> scores;
  std::size_t answer = 0;
};

struct Problem {
  std::vector<Row> rows;
  Eigen::Index n_labels = 0;
};

/// p: v [labels], then beta.
std::vector<double> logits(const Row& row, const Eigen::VectorXd& p) {
  std::vector<double> x;
  for (std::size_t c = 0; c < row.labels.size(); ++c) {
    x.push_back(p(p.size() - 1) * row.scores[c] + p(row.labels[c]));
  }
  return x;
}

double log_sum_exp(const std::vector<double>& x) {
  const double most = *std::max_element(x.begin(), x.end());
  double sum = 0;
  for (const double value : x) sum += std::exp(value - most);
  return most + std::log(sum);
}

double loss(const Problem& problem, const Eigen::VectorXd& p) {
  const double beta = p(problem.n_labels);
  double sum = 0.5 * kRidge * p.head(problem.n_labels).squaredNorm() +
               0.5 * std::pow((beta - kUsualBeta) / kBetaDeviation, 2);
  for (const Row& row : problem.rows) {
    const auto x = logits(row, p);
    sum += log_sum_exp(x) - x[row.answer];
  }
  return sum;
}

/// Newton's step: the features of a choice are its label and its score.
Eigen::VectorXd newton_step(const Problem& problem, const Eigen::VectorXd& p) {
  const Eigen::Index n = problem.n_labels;
  Eigen::VectorXd gradient = kRidge * p;
  Eigen::MatrixXd hessian = kRidge * Eigen::MatrixXd::Identity(n + 1, n + 1);
  const double precision = 1 / (kBetaDeviation * kBetaDeviation);
  gradient(n) = precision * (p(n) - kUsualBeta);
  hessian(n, n) = precision;
  for (const Row& row : problem.rows) {
    const auto x = logits(row, p);
    const double total = log_sum_exp(x);
    Eigen::VectorXd mean = Eigen::VectorXd::Zero(n + 1);
    for (std::size_t c = 0; c < x.size(); ++c) {
      const double probability = std::exp(x[c] - total);
      const Eigen::Index label = row.labels[c];
      mean(label) += probability;
      mean(n) += probability * row.scores[c];
      hessian(label, label) += probability;
      hessian(label, n) += probability * row.scores[c];
      hessian(n, label) += probability * row.scores[c];
      hessian(n, n) += probability * row.scores[c] * row.scores[c];
    }
    hessian -= mean * mean.transpose();
    gradient += mean;
    gradient(row.labels[row.answer]) -= 1;
    gradient(n) -= row.scores[row.answer];
  }
  return -hessian.llt().solve(gradient);
}

Eigen::VectorXd minimise(const Problem& problem) {
  Eigen::VectorXd p = Eigen::VectorXd::Zero(problem.n_labels + 1);
  p(problem.n_labels) = kUsualBeta;
  double now = loss(problem, p);
  for (int i = 0; i < kMaxSteps; ++i) {
    const Eigen::VectorXd step = newton_step(problem, p);
    double size = 1;
    Eigen::VectorXd next;
    double then = 0;
    do {
      next = p + size * step;
      next(problem.n_labels) = std::max(kLeastBeta, next(problem.n_labels));
      then = loss(problem, next);
      size /= 2;
    } while (!(then < now) && size > 1e-8);
    if (!(then < now)) break;
    const double gained = now - then;
    p = next;
    now = then;
    if (gained < 1e-12 * (1 + std::abs(now))) break;
  }
  return p;
}

double bias_in(const Head& head, std::uint64_t label) {
  const auto at = std::lower_bound(head.labels.begin(), head.labels.end(), label);
  if (head.bias.empty() || at == head.labels.end() || *at != label) return 0;
  return double{head.bias[static_cast<std::size_t>(at - head.labels.begin())]};
}

void check(std::span<const ScoredChoices> examples, std::span<const int> answers) {
  require(examples.size() == answers.size(),
          fmt::format("label calibration: {} answers for {} examples; expected one for each",
                      answers.size(), examples.size()));
  for (std::size_t k = 0; k < examples.size(); ++k) {
    const auto n = static_cast<int>(examples[k].choices.size());
    require(examples[k].scores.size() == examples[k].choices.size() && answers[k] < n,
            fmt::format("label calibration: example {} has {} choices, {} scores and answer {}", k,
                        n, examples[k].scores.size(), answers[k]));
    internal::require_finite(examples[k].scores, "label calibration: scores");
  }
}

}  // namespace

Head fit_label_biases(std::span<const ScoredChoices> examples, std::span<const int> answers,
                      const Head& prior) {
  check(examples, answers);
  if (!share_labels(examples)) return {};
  std::map<std::uint64_t, Eigen::Index> places;
  for (const ScoredChoices& example : examples) {
    for (const std::string& choice : example.choices) places[label_hash(choice)] = 0;
  }
  Problem problem;
  for (auto& [label, place] : places) place = problem.n_labels++;
  for (std::size_t k = 0; k < examples.size(); ++k) {
    if (answers[k] < 0) continue;
    Row row{.labels = {}, .scores = {}, .answer = static_cast<std::size_t>(answers[k])};
    for (std::size_t c = 0; c < examples[k].choices.size(); ++c) {
      const std::uint64_t label = label_hash(examples[k].choices[c]);
      row.labels.push_back(places.at(label));
      row.scores.push_back(double{examples[k].scores[c]} - bias_in(prior, label));
    }
    problem.rows.push_back(std::move(row));
  }
  const Eigen::VectorXd p = minimise(problem);
  Head head;
  for (const auto& [label, place] : places) {
    head.labels.push_back(label);
    head.bias.push_back(static_cast<float>(bias_in(prior, label) - p(place) / p(problem.n_labels)));
  }
  return head;
}

}  // namespace crayon
