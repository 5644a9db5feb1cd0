#include "crayon/stats/paired.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

#include "crayon/base/error.h"
#include "crayon/base/random.h"
#include "crayon/stats/internal/mean_draws.h"
#include "crayon/stats/stats.h"

namespace crayon {
namespace {

using Values = std::vector<double>;

void require(bool holds, const std::string& message) {
  if (!holds) throw Error(ErrorCode::InvalidArgument, message);
}

void check_table(const TaskScores& x, std::string_view name) {
  require(!x.empty(), fmt::format("{}: 0 seeds; expected at least one row of scores", name));
  const std::size_t questions = x.front().size();
  require(questions > 0, fmt::format("{}: 0 questions; expected at least one", name));
  for (std::size_t s = 0; s < x.size(); ++s) {
    require(x[s].size() == questions,
            fmt::format("{}: seed {} has {} questions and seed 0 has {}; expected the same ones",
                        name, s, x[s].size(), questions));
    const auto odd =
        std::find_if_not(x[s].begin(), x[s].end(), [](double v) { return std::isfinite(v); });
    if (odd == x[s].end()) continue;
    require(false, fmt::format("{}: seed {}, question {} is {}; expected a finite number", name, s,
                               odd - x[s].begin(), *odd));
  }
}

void check_task(const TaskScores& x, const std::string& name) {
  check_table(x, name);
  require(x.front().size() > 1,
          name + ": 1 question; expected at least two, as one says nothing of the others");
}

double mean_of(const Values& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double sum_of_squares(const Values& values) {
  return std::inner_product(values.begin(), values.end(), values.begin(), 0.0);
}

/// What the bootstrap needs of one task; variances are those of the task's mean.
struct TaskParts {
  explicit TaskParts(const TaskScores& x);

  double n_seeds;
  double n_questions;
  double mean = 0;
  MeanDraws totals;              ///< Each question's sum over the seeds, S (m + b_q).
  double question_variance = 0;  ///< var(b) / Q
  double seed_variance = 0;      ///< var(a) / S, with the residuals' part
  double residual_variance = 0;  ///< e / SQ
};

/// Variance of the mean of `effects`, whose mean is 0.
double variance_of_mean(const Values& effects) {
  const auto n = static_cast<double>(effects.size());
  return sum_of_squares(effects) / (n * (n - 1));
}

/// Each question's sum over the seeds.
Values question_totals(const TaskScores& x) {
  Values totals(x.front().size());
  for (const Values& row : x) {
    std::transform(row.begin(), row.end(), totals.begin(), totals.begin(), std::plus<>());
  }
  return totals;
}

/// e / SQ; at least two rows.
double residual_variance(const TaskScores& x, double mean, const Values& a, const Values& b) {
  double sum = 0;
  for (std::size_t s = 0; s < a.size(); ++s) {
    for (std::size_t q = 0; q < b.size(); ++q) {
      const double left = x[s][q] - mean - a[s] - b[q];
      sum += left * left;
    }
  }
  const auto seeds = static_cast<double>(a.size());
  const auto questions = static_cast<double>(b.size());
  return sum / ((seeds - 1) * (questions - 1) * seeds * questions);
}

TaskParts::TaskParts(const TaskScores& x)
    : n_seeds(static_cast<double>(x.size())),
      n_questions(static_cast<double>(x.front().size())),
      totals(question_totals(x)) {
  Values a;
  for (const Values& row : x) a.push_back(mean_of(row));
  mean = mean_of(a);
  for (double& effect : a) effect -= mean;
  Values b = question_totals(x);
  for (double& total : b) total = total / n_seeds - mean;
  question_variance = variance_of_mean(b);
  if (x.size() == 1) return;
  seed_variance = variance_of_mean(a);
  residual_variance = crayon::residual_variance(x, mean, a, b);
}

/// The mean of the tasks and how far it is known; variances are of the tasks' sum, T^2 of the
/// mean's.
struct Spread {
  double mean = 0;
  double of_questions = 0;  ///< sum_t var(b)/Q
  double of_seeds = 0;      ///< w: sum_t var(a)/S
  double of_residuals = 0;  ///< r: sum_t e/SQ
  double n = 1;             ///< Degrees of freedom of w.

  /// What the seeds add to the variance, where w is `of_seeds`.
  [[nodiscard]] double seed_part(double w) const { return std::max(0.0, w - of_residuals); }
};

Spread spread_of(const std::vector<TaskParts>& tasks) {
  Spread spread;
  double squares = 0;
  for (const TaskParts& task : tasks) {
    spread.mean += task.mean / static_cast<double>(tasks.size());
    spread.of_questions += task.question_variance;
    spread.of_seeds += task.seed_variance;
    spread.of_residuals += task.residual_variance;
    if (task.n_seeds > 1) squares += task.seed_variance * task.seed_variance / (task.n_seeds - 1);
  }
  if (squares > 0) spread.n = spread.of_seeds * spread.of_seeds / squares;
  return spread;
}

/// A gamma variable of shape at least 1 and scale 1 (Marsaglia and Tsang 2000).
double gamma_of_shape_one_up(double shape, Rng& rng) {
  const double d = shape - 1.0 / 3;
  const double c = 1 / std::sqrt(9 * d);
  while (true) {
    const double z = rng.normal();
    const double v = std::pow(1 + c * z, 3);
    if (v <= 0) continue;
    if (std::log(1 - rng.uniform()) < 0.5 * z * z + d - d * v + d * std::log(v)) return d * v;
  }
}

/// A chi-squared variable of n degrees of freedom: twice a gamma variable of shape n / 2.
double chi_squared(double n, Rng& rng) {
  if (n >= 2) return 2 * gamma_of_shape_one_up(n / 2, rng);
  const double boost = std::pow(1 - rng.uniform(), 2 / n);  // gamma(k) is gamma(k + 1) u^(1/k)
  return 2 * boost * gamma_of_shape_one_up(n / 2 + 1, rng);
}

/// One replicate's distance from the mean.
double replicate(const std::vector<TaskParts>& tasks, const Spread& spread, Rng& rng) {
  double sum = 0;
  for (const TaskParts& task : tasks) {
    const double distance = task.totals.draw(rng) / task.n_seeds - task.mean;
    sum += std::sqrt(task.n_questions / (task.n_questions - 1)) * distance;
  }
  if (spread.of_seeds > 0) {
    const double w = spread.of_seeds * spread.n / chi_squared(spread.n, rng);
    sum += std::sqrt(spread.seed_part(w)) * rng.normal();
  }
  return sum / static_cast<double>(tasks.size());
}

void check_options(const TwoWayOptions& options) {
  require(options.level > 0 && options.level < 1,
          fmt::format("bootstrap: level {}; expected a number between 0 and 1", options.level));
  require(options.resamples > 0, "bootstrap: 0 resamples; expected at least one");
  require(std::isfinite(options.null_mean),
          fmt::format("bootstrap: null mean {}; expected a finite number", options.null_mean));
}

double p_value(const Values& distances, double found) {
  constexpr double kRounding = 1e-12;  // a difference that is 0 but for rounding is no difference
  const auto as_far = std::count_if(distances.begin(), distances.end(), [&](double distance) {
    return std::abs(distance) >= std::abs(found) - kRounding;
  });
  return (1.0 + static_cast<double>(as_far)) / (1.0 + static_cast<double>(distances.size()));
}

}  // namespace

TaskScores paired_difference(const TaskScores& x, const TaskScores& y) {
  check_table(x, "paired difference: first method");
  check_table(y, "paired difference: second method");
  require(x.front().size() == y.front().size(),
          fmt::format("paired difference: {} and {} questions; expected the same ones",
                      x.front().size(), y.front().size()));
  require(x.size() == y.size() || x.size() == 1 || y.size() == 1,
          fmt::format("paired difference: {} and {} seeds; expected the same ones, or one seed",
                      x.size(), y.size()));
  TaskScores difference(std::max(x.size(), y.size()));
  for (std::size_t s = 0; s < difference.size(); ++s) {
    const Values& from = y[y.size() == 1 ? 0 : s];
    difference[s] = x[x.size() == 1 ? 0 : s];
    std::transform(difference[s].begin(), difference[s].end(), from.begin(), difference[s].begin(),
                   std::minus<>());
  }
  return difference;
}

std::vector<TaskScores> paired_differences(std::span<const TaskScores> x,
                                           std::span<const TaskScores> y) {
  require(x.size() == y.size(),
          fmt::format("paired difference: {} and {} tasks; expected the same ones", x.size(),
                      y.size()));
  std::vector<TaskScores> differences;
  for (std::size_t t = 0; t < x.size(); ++t) differences.push_back(paired_difference(x[t], y[t]));
  return differences;
}

TwoWayEstimate two_way_bootstrap(std::span<const TaskScores> tasks, const TwoWayOptions& options) {
  check_options(options);
  require(!tasks.empty(), "bootstrap: 0 tasks; expected at least one");
  std::vector<TaskParts> parts;
  for (std::size_t t = 0; t < tasks.size(); ++t) {
    check_task(tasks[t], fmt::format("bootstrap: task {}", t));
    parts.emplace_back(tasks[t]);
  }
  const Spread spread = spread_of(parts);

  Rng rng(options.seed, "two-way bootstrap");
  Values distances(options.resamples);
  for (double& distance : distances) distance = replicate(parts, spread, rng);
  TwoWayEstimate estimate;
  estimate.mean = spread.mean;
  estimate.standard_error = std::sqrt(spread.of_questions + spread.seed_part(spread.of_seeds)) /
                            static_cast<double>(parts.size());
  estimate.p_value = p_value(distances, spread.mean - options.null_mean);
  estimate.low = spread.mean + quantile(distances, (1 - options.level) / 2);
  estimate.high = spread.mean + quantile(std::move(distances), (1 + options.level) / 2);
  return estimate;
}

std::vector<double> holm(std::span<const double> p_values) {
  for (std::size_t i = 0; i < p_values.size(); ++i) {
    require(p_values[i] >= 0 && p_values[i] <= 1,
            fmt::format("Holm: p-value {} of {} is {}; expected 0 to 1", i, p_values.size(),
                        p_values[i]));
  }
  std::vector<std::size_t> order(p_values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return p_values[a] < p_values[b]; });
  std::vector<double> adjusted(p_values.size());
  double least = 0;
  for (std::size_t k = 0; k < order.size(); ++k) {
    least = std::max(least, p_values[order[k]] * static_cast<double>(order.size() - k));
    adjusted[order[k]] = std::min(1.0, least);
  }
  return adjusted;
}

WinTieLoss count_wins(std::span<const TaskScores> differences, const TwoWayOptions& options) {
  WinTieLoss counts;
  for (const TaskScores& difference : differences) {
    const TwoWayEstimate task = two_way_bootstrap({&difference, 1}, options);
    std::size_t& count = task.low > 0 ? counts.wins : task.high < 0 ? counts.losses : counts.ties;
    ++count;
  }
  return counts;
}

}  // namespace crayon
