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
    for (std::size_t q = 0; q < questions; ++q) {
      require(std::isfinite(x[s][q]),
              fmt::format("{}: seed {}, question {} is {}; expected a finite number", name, s, q,
                          x[s][q]));
    }
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

/// The mean of the tasks and how far it is known; sums over the tasks are not divided by T^2.
struct Spread {
  double mean = 0;
  double question_variance = 0;   ///< sum_t var(b)/Q
  double seed_variance = 0;       ///< sum_t lambda^2 var(a)/S
  double degrees_of_freedom = 1;  ///< n

  [[nodiscard]] double variance() const { return question_variance + seed_variance; }
};

/// lambda^2
double seed_share(const std::vector<TaskParts>& tasks) {
  double residual = 0;
  double seed = 0;
  for (const TaskParts& task : tasks) {
    residual += task.residual_variance;
    seed += task.seed_variance;
  }
  return seed > residual ? 1 - residual / seed : 0;
}

Spread spread_of(const std::vector<TaskParts>& tasks) {
  Spread spread;
  const double share = seed_share(tasks);
  double squares = 0;
  for (const TaskParts& task : tasks) {
    const double of_seeds = share * task.seed_variance;
    spread.mean += task.mean / static_cast<double>(tasks.size());
    spread.question_variance += task.question_variance;
    spread.seed_variance += of_seeds;
    squares += task.question_variance * task.question_variance / (task.n_questions - 1);
    if (of_seeds > 0) squares += of_seeds * of_seeds / (task.n_seeds - 1);
  }
  if (squares > 0) spread.degrees_of_freedom = spread.variance() * spread.variance() / squares;
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

/// sqrt(n / chi2_n): a chi-squared variable is twice a gamma variable of shape n / 2.
double student_factor(double n, Rng& rng) {
  double shape = n / 2;
  double gamma = 1;
  if (shape < 1) {  // gamma(k) is gamma(k + 1) u^(1/k)
    gamma = std::pow(1 - rng.uniform(), 1 / shape);
    shape += 1;
  }
  gamma *= gamma_of_shape_one_up(shape, rng);
  return std::sqrt(n / (2 * gamma));
}

/// One replicate's distance from the mean.
double replicate(const std::vector<TaskParts>& tasks, const Spread& spread, Rng& rng) {
  double sum = std::sqrt(spread.seed_variance) * rng.normal();
  for (const TaskParts& task : tasks) {
    const double distance = task.totals.draw(rng) / task.n_seeds - task.mean;
    sum += std::sqrt(task.n_questions / (task.n_questions - 1)) * distance;
  }
  return sum / static_cast<double>(tasks.size()) * student_factor(spread.degrees_of_freedom, rng);
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
  estimate.standard_error = std::sqrt(spread.variance()) / static_cast<double>(parts.size());
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
    std::size_t& count =
        task.low > 0 ? counts.wins : task.high < 0 ? counts.losses : counts.ties;
    ++count;
  }
  return counts;
}

}  // namespace crayon
