#include "crayon/stats/paired.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

#include "crayon/base/error.h"
#include "crayon/stats/internal/mean_draws.h"
#include "crayon/stats/internal/two_way_draws.h"
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

void check_task(const TaskScores& x, std::string_view name) {
  check_table(x, name);
  require(x.front().size() > 1,
          fmt::format("{}: 1 question; expected at least two, as one says nothing of the others",
                      name));
}

double mean_of(const Values& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double sum_of_squares(const Values& values) {
  return std::inner_product(values.begin(), values.end(), values.begin(), 0.0);
}

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

/// The mean of the tasks and how far it is known; variances are of the tasks' sum, T^2 of the
/// mean's.
struct Spread {
  double mean = 0;
  double of_questions = 0;  ///< sum_t var(b)/Q
  double of_seeds = 0;      ///< w: sum_t var(a)/S
  double of_residuals = 0;  ///< r: sum_t e/SQ
  double n = 1;             ///< Degrees of freedom of w.
  double tasks = 0;

  /// What the seeds add to the variance, where w is `of_seeds`.
  [[nodiscard]] double seed_part(double w) const { return std::max(0.0, w - of_residuals); }
  [[nodiscard]] double standard_error() const {
    return std::sqrt(of_questions + seed_part(of_seeds)) / tasks;
  }
};

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

struct TwoWayTask::Parts {
  explicit Parts(const TaskScores& x);

  /// Adds to each replicate what this task, the t-th of the group, puts to the tasks' sum.
  void add_distances(TwoWayDraws& draws, std::size_t t, Values& distances) const;

  double n_seeds;
  double n_questions;
  double mean = 0;
  MeanDraws totals;  ///< Each question's sum over the seeds, S (m + b_q).
  // Variances of the task's mean.
  double question_variance = 0;  ///< var(b) / Q
  double seed_variance = 0;      ///< var(a) / S, with the residuals' part
  double residual_variance = 0;  ///< e / SQ
};

TwoWayTask::Parts::Parts(const TaskScores& x)
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

void TwoWayTask::Parts::add_distances(TwoWayDraws& draws, std::size_t t, Values& distances) const {
  const double c = std::sqrt(n_questions / (n_questions - 1));
  const auto distance = [&](double total) { return c * (total / n_seeds - mean); };
  if (!totals.fast()) {
    Rng rng = draws.task_stream(t);
    for (double& sum : distances) sum += distance(totals.draw(rng));
    return;
  }
  Values table(totals.n_means());
  for (std::size_t i = 0; i < table.size(); ++i) table[i] = distance(totals.mean(i));
  const Values& uniforms = draws.uniforms(t);
  for (std::size_t r = 0; r < distances.size(); ++r)
    distances[r] += table[totals.place(uniforms[r])];
}

namespace {

Spread spread_of(std::span<const TwoWayTask* const> tasks) {
  Spread spread;
  spread.tasks = static_cast<double>(tasks.size());
  double squares = 0;
  for (const TwoWayTask* task : tasks) {
    const TwoWayTask::Parts& parts = task->parts();
    spread.mean += parts.mean / spread.tasks;
    spread.of_questions += parts.question_variance;
    spread.of_seeds += parts.seed_variance;
    spread.of_residuals += parts.residual_variance;
    if (parts.n_seeds > 1)
      squares += parts.seed_variance * parts.seed_variance / (parts.n_seeds - 1);
  }
  if (squares > 0) spread.n = spread.of_seeds * spread.of_seeds / squares;
  return spread;
}

void add_seed_part(TwoWayDraws& draws, const Spread& spread, Values& distances) {
  if (spread.of_seeds <= 0) return;
  const Values& chi = draws.chi_squared(spread.n);
  const Values& normals = draws.normals();
  for (std::size_t r = 0; r < distances.size(); ++r) {
    const double w = spread.of_seeds * spread.n / chi[r];
    distances[r] += std::sqrt(spread.seed_part(w)) * normals[r];
  }
}

}  // namespace

TwoWayTask::TwoWayTask(const TaskScores& scores, std::string_view name) {
  check_task(scores, name);
  parts_ = std::make_unique<const Parts>(scores);
}
TwoWayTask::TwoWayTask(TwoWayTask&&) noexcept = default;
TwoWayTask& TwoWayTask::operator=(TwoWayTask&&) noexcept = default;
TwoWayTask::~TwoWayTask() = default;

double TwoWayTask::mean() const { return parts_->mean; }

double TwoWayTask::standard_error() const {
  const TwoWayTask* const alone[] = {this};
  return spread_of(alone).standard_error();
}

TwoWayBootstrap::TwoWayBootstrap(const TwoWayOptions& options) : options_(options) {
  check_options(options);
  draws_ = std::make_unique<TwoWayDraws>(options.seed, options.resamples);
}
TwoWayBootstrap::~TwoWayBootstrap() = default;

TwoWayEstimate TwoWayBootstrap::estimate(std::span<const TwoWayTask* const> tasks) {
  require(!tasks.empty(), "bootstrap: 0 tasks; expected at least one");
  const Spread spread = spread_of(tasks);
  Values distances(options_.resamples);
  for (std::size_t t = 0; t < tasks.size(); ++t) {
    tasks[t]->parts().add_distances(*draws_, t, distances);
  }
  add_seed_part(*draws_, spread, distances);
  for (double& distance : distances) distance /= spread.tasks;

  TwoWayEstimate estimate;
  estimate.mean = spread.mean;
  estimate.standard_error = spread.standard_error();
  estimate.p_value = p_value(distances, spread.mean - options_.null_mean);
  estimate.low = spread.mean + quantile(distances, (1 - options_.level) / 2);
  estimate.high = spread.mean + quantile(std::move(distances), (1 + options_.level) / 2);
  return estimate;
}

TwoWayEstimate TwoWayBootstrap::estimate(const TwoWayTask& task) {
  const TwoWayTask* const alone[] = {&task};
  return estimate(alone);
}

TwoWayEstimate two_way_bootstrap(std::span<const TaskScores> tasks, const TwoWayOptions& options) {
  TwoWayBootstrap bootstrap(options);
  std::vector<TwoWayTask> ready;
  for (std::size_t t = 0; t < tasks.size(); ++t) {
    ready.emplace_back(tasks[t], fmt::format("bootstrap: task {}", t));
  }
  std::vector<const TwoWayTask*> group;
  for (const TwoWayTask& task : ready) group.push_back(&task);
  return bootstrap.estimate(group);
}

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

WinTieLoss count_wins(std::span<const TwoWayEstimate> of_single_tasks) {
  WinTieLoss counts;
  for (const TwoWayEstimate& task : of_single_tasks) {
    std::size_t& count = task.low > 0 ? counts.wins : task.high < 0 ? counts.losses : counts.ties;
    ++count;
  }
  return counts;
}

WinTieLoss count_wins(std::span<const TaskScores> differences, const TwoWayOptions& options) {
  TwoWayBootstrap bootstrap(options);
  std::vector<TwoWayEstimate> estimates;
  for (std::size_t t = 0; t < differences.size(); ++t) {
    estimates.push_back(
        bootstrap.estimate(TwoWayTask(differences[t], fmt::format("bootstrap: task {}", t))));
  }
  return count_wins(estimates);
}

}  // namespace crayon
