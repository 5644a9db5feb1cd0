#include "crayon/stats/routing_bands.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "crayon/base/error.h"
#include "crayon/base/random.h"
#include "crayon/stats/internal/question_lists.h"
#include "crayon/stats/internal/ranking.h"
#include "crayon/stats/stats.h"

namespace crayon {
namespace {

using Values = std::vector<double>;
using MetricValues = std::array<std::optional<double>, kRoutingMetrics>;

constexpr std::array<std::pair<RoutingMetric, const char*>, kRoutingMetrics> kNames = {{
    {RoutingMetric::Area, "area"},
    {RoutingMetric::Apgr, "apgr"},
    {RoutingMetric::Pgr20, "pgr_20"},
    {RoutingMetric::Pgr50, "pgr_50"},
    {RoutingMetric::Pgr80, "pgr_80"},
    {RoutingMetric::Cpt50, "cpt_50"},
    {RoutingMetric::Cpt80, "cpt_80"},
    {RoutingMetric::Match, "match"},
    {RoutingMetric::Accuracy50, "accuracy_50"},
    {RoutingMetric::OverServer50, "over_server_50"},
    {RoutingMetric::Auroc, "auroc"},
    {RoutingMetric::Aurc, "aurc"},
    {RoutingMetric::Augrc, "augrc"},
    {RoutingMetric::ApgrOverTasks, "apgr_over_tasks"},
    {RoutingMetric::Cpt50OverTasks, "cpt_50_over_tasks"},
    {RoutingMetric::Cpt80OverTasks, "cpt_80_over_tasks"},
    {RoutingMetric::MatchOverTasks, "match_over_tasks"},
}};

void require(bool holds, const std::string& message) {
  if (!holds) throw Error(ErrorCode::InvalidArgument, message);
}

/// How often each question and each draw of a task counts in a replicate.
struct TaskCounts {
  std::vector<std::uint32_t> questions;
  std::vector<std::uint32_t> draws;
};

/// What one task says of one router: means over its draws.
struct TaskValues {
  DeferralCurve curve;
  std::optional<double> auroc;
  double aurc = 0;
  double augrc = 0;
};

/// One draw of a task under one router, made ready for replicates.
class Draw {
 public:
  explicit Draw(const RoutedAnswers& answers) : ranking_(answers.scores) {
    for (std::size_t i = 0; i < answers.scores.size(); ++i) {
      wrong_.push_back(answers.device[i] != 0 ? 0 : 1);
      gain_.push_back((answers.server[i] != 0 ? 1.0 : 0.0) - (1 - wrong_.back()));
    }
  }

  /// Adds `times` this draw's values to the sums of a task; `n_auroc` counts those that have one.
  void add(std::span<const std::uint32_t> counts, double times, TaskValues& to,
           double& n_auroc) const {
    ranking_.sums(gain_, counts, sums_);
    const auto n = static_cast<double>(sums_.size() - 1);
    wrong_sums(counts);
    const double all = wrong_sums_.back();
    to.curve.accuracy.resize(sums_.size());
    for (std::size_t k = 0; k < sums_.size(); ++k) {
      to.curve.accuracy[k] += times * (n - all + sums_[k]) / n;
    }
    double risks = 0;
    double above = -0.5 * all;  // trapezoid; nothing is wrong where nothing is answered
    for (std::size_t k = 0; k < sums_.size(); ++k) {
      const double wrong = all - wrong_sums_[k];
      above += wrong;
      if (k + 1 < sums_.size()) risks += wrong / (n - static_cast<double>(k));
    }
    const double augrc = above / (n * n);
    to.aurc += times * risks / n;
    to.augrc += times * augrc;
    const double p = 1 - all / n;
    if (all == 0 || all == n) return;
    to.auroc = to.auroc.value_or(0) +
               times * (1 - (augrc - 0.5 * (1 - p) * (1 - p)) / (p * (1 - p)));  // see AUGRC
    n_auroc += times;
  }

 private:
  void wrong_sums(std::span<const std::uint32_t> counts) const {
    ranking_.sums(wrong_, counts, wrong_sums_);
  }

  Ranking ranking_;
  Values wrong_;
  Values gain_;
  mutable Values sums_;  ///< Kept between calls, as allocating would take most of the time.
  mutable Values wrong_sums_;
};

TaskValues task_values(const std::vector<Draw>& draws, const TaskCounts& counts) {
  TaskValues values;
  double n = 0;
  double n_auroc = 0;
  for (std::size_t s = 0; s < draws.size(); ++s) {
    const double times = counts.draws.empty() ? 1 : counts.draws[s];
    if (times == 0) continue;
    draws[s].add(counts.questions, times, values, n_auroc);
    n += times;
  }
  for (double& r : values.curve.accuracy) r /= n;
  values.aurc /= n;
  values.augrc /= n;
  if (values.auroc) *values.auroc /= n_auroc;
  return values;
}

/// A mean over tasks of what some of them may lack, each as often as it was drawn.
class MeanOver {
 public:
  void add(const std::optional<double>& value, double times) {
    if (!value) return;
    sum_ += times * *value;
    n_ += times;
  }
  [[nodiscard]] std::optional<double> mean() const {
    return n_ > 0 ? std::optional(sum_ / n_) : std::nullopt;
  }

 private:
  double sum_ = 0;
  double n_ = 0;
};

struct GroupValues {
  DeferralCurve curve;
  MetricValues metrics;
};

void set(MetricValues& metrics, RoutingMetric metric, std::optional<double> value) {
  metrics[static_cast<std::size_t>(metric)] = value;
}

void set_of_curve(const DeferralCurve& curve, double area, MetricValues& metrics) {
  const double gap = curve.server() - curve.device();
  set(metrics, RoutingMetric::Area, area);
  if (gap_recovered(curve, 1)) set(metrics, RoutingMetric::Apgr, (area - curve.device()) / gap);
  set(metrics, RoutingMetric::Pgr20, gap_recovered(curve, 0.2));
  set(metrics, RoutingMetric::Pgr50, gap_recovered(curve, 0.5));
  set(metrics, RoutingMetric::Pgr80, gap_recovered(curve, 0.8));
  set(metrics, RoutingMetric::Cpt50, call_threshold(curve, 0.5));
  set(metrics, RoutingMetric::Cpt80, call_threshold(curve, 0.8));
  set(metrics, RoutingMetric::Match, share_to_match_server(curve));
  set(metrics, RoutingMetric::Accuracy50, accuracy_at(curve, 0.5));
  set(metrics, RoutingMetric::OverServer50, accuracy_at(curve, 0.5) - curve.server());
}

/// @param times  of each task; empty: once
GroupValues group_values(const std::vector<TaskValues>& tasks, std::span<const std::uint32_t> times,
                         std::size_t steps) {
  GroupValues group;
  group.curve.accuracy.assign(steps + 1, 0.0);
  MeanOver area, auroc, aurc, augrc, apgr, cpt50, cpt80, match;
  for (std::size_t t = 0; t < tasks.size(); ++t) {
    const TaskValues& task = tasks[t];
    const double n = times.empty() ? 1 : times[t];
    if (n == 0) continue;
    for (std::size_t k = 0; k <= steps; ++k) {
      const double share = static_cast<double>(k) / static_cast<double>(steps);
      group.curve.accuracy[k] +=
          n * accuracy_at(task.curve, share) / static_cast<double>(tasks.size());
    }
    area.add(area_under(task.curve), n);
    auroc.add(task.auroc, n);
    aurc.add(task.aurc, n);
    augrc.add(task.augrc, n);
    apgr.add(mean_gap_recovered(task.curve), n);
    cpt50.add(call_threshold(task.curve, 0.5), n);
    cpt80.add(call_threshold(task.curve, 0.8), n);
    match.add(share_to_match_server(task.curve), n);
  }
  // A single task has points of its own, which the steps would blur.
  const DeferralCurve& exact = tasks.size() == 1 ? tasks.front().curve : group.curve;
  set_of_curve(exact, *area.mean(), group.metrics);
  set(group.metrics, RoutingMetric::Auroc, auroc.mean());
  set(group.metrics, RoutingMetric::Aurc, aurc.mean());
  set(group.metrics, RoutingMetric::Augrc, augrc.mean());
  set(group.metrics, RoutingMetric::ApgrOverTasks, apgr.mean());
  set(group.metrics, RoutingMetric::Cpt50OverTasks, cpt50.mean());
  set(group.metrics, RoutingMetric::Cpt80OverTasks, cpt80.mean());
  set(group.metrics, RoutingMetric::MatchOverTasks, match.mean());
  return group;
}

void check(std::span<const std::vector<RoutedTask>> routers, const RoutingOptions& options) {
  require(options.level > 0 && options.level < 1,
          fmt::format("routing bands: level {}; expected a number between 0 and 1", options.level));
  require(options.resamples > 0 && options.steps > 0,
          fmt::format("routing bands: {} resamples and {} steps; expected at least one of each",
                      options.resamples, options.steps));
  require(!routers.empty() && !routers.front().empty(),
          "routing bands: no router or no task; expected at least one of each");
  const auto& first = routers.front();
  const auto& asked = options.questions;
  bool fits = asked.empty() || asked.size() == first.size();
  for (std::size_t t = 0; fits && t < asked.size(); ++t) {
    fits = !first[t].empty() && asked[t].size() == first[t].front().scores.size();
  }
  require(fits, "routing bands: questions of other tasks or rows; expected one for each row");
  for (const auto& tasks : routers) {
    require(tasks.size() == first.size(),
            fmt::format("routing bands: routers have {} and {} tasks; expected the same ones",
                        first.size(), tasks.size()));
    for (std::size_t t = 0; t < tasks.size(); ++t) {
      bool same = !tasks[t].empty() && tasks[t].size() == first[t].size();
      for (std::size_t s = 0; same && s < tasks[t].size(); ++s) {
        check_routed(tasks[t][s]);
        same = tasks[t][s].device == first[t][s].device &&
               tasks[t][s].server == first[t].front().server;
      }
      require(same, fmt::format("routing bands: task {} has other draws, questions or answers in "
                                "one router than in the first; expected the same ones",
                                t));
    }
  }
}

class Bootstrap {
 public:
  Bootstrap(std::span<const std::vector<RoutedTask>> routers, const RoutingOptions& options)
      : options_(options), tasks_(routers.front()), questions_(routers.front(), options.questions) {
    for (const auto& tasks : routers) {
      auto& ready = routers_.emplace_back();
      for (const RoutedTask& task : tasks) ready.emplace_back(task.begin(), task.end());
    }
    replicates_.resize(routers_.size());
  }

  RoutingBands run() {
    std::vector<GroupValues> found;
    const std::vector<TaskCounts> once(tasks_.size());
    for (const auto& router : routers_) found.push_back(values(router, once, {}));
    draw_replicates();
    RoutingBands bands;
    for (std::size_t r = 0; r < routers_.size(); ++r) {
      bands.routers.push_back(band_of(found[r], replicates_[r]));
      if (r > 0) bands.differences.push_back(difference(found[0], found[r], r));
    }
    return bands;
  }

 private:
  [[nodiscard]] GroupValues values(const std::vector<std::vector<Draw>>& router,
                                   const std::vector<TaskCounts>& counts,
                                   std::span<const std::uint32_t> times) const {
    std::vector<TaskValues> tasks;
    for (std::size_t t = 0; t < router.size(); ++t) {
      tasks.push_back(task_values(router[t], counts[t]));
    }
    return group_values(tasks, times, options_.steps);
  }

  void draw_replicates() {
    std::vector<Rng> streams;
    for (std::size_t t = 0; t < std::max(tasks_.size(), questions_.size()); ++t) {
      streams.emplace_back(options_.seed, fmt::format("routing bootstrap, task {}", t));
    }
    Rng of_tasks(options_.seed, "routing bootstrap, tasks");
    for (std::size_t b = 0; b < options_.resamples; ++b) {
      std::vector<TaskCounts> counts;
      std::vector<std::vector<std::uint32_t>> rows = questions_.draw(streams);
      for (std::size_t t = 0; t < tasks_.size(); ++t) {
        counts.push_back({std::move(rows[t]), {}});
        if (tasks_[t].size() > 1) counts[t].draws = resampled(tasks_[t].size(), streams[t]);
      }
      std::vector<std::uint32_t> times;
      if (options_.resample_tasks) times = resampled(tasks_.size(), of_tasks);
      for (std::size_t r = 0; r < routers_.size(); ++r) {
        replicates_[r].push_back(values(routers_[r], counts, times));
      }
    }
  }

  /// @param of  a replicate's value, none where it has none
  template <typename Of>
  [[nodiscard]] RoutingEstimate estimate(std::optional<double> value, const Of& of) const {
    RoutingEstimate found{.value = value};
    Values all;
    for (std::size_t b = 0; b < options_.resamples; ++b) {
      if (const std::optional<double> one = of(b)) all.push_back(*one);
    }
    if (!value || all.empty()) return {};
    const double mean =
        std::accumulate(all.begin(), all.end(), 0.0) / static_cast<double>(all.size());
    double squares = 0;
    std::size_t as_far = 0;
    for (const double x : all) {
      squares += (x - mean) * (x - mean);
      if (std::abs(x - *value) >= std::abs(*value) - 1e-12) ++as_far;
    }
    found.standard_error = std::sqrt(squares / static_cast<double>(all.size()));
    found.p_value = (1.0 + static_cast<double>(as_far)) / (1.0 + static_cast<double>(all.size()));
    found.low = quantile(all, (1 - options_.level) / 2);
    found.high = quantile(std::move(all), (1 + options_.level) / 2);
    return found;
  }

  [[nodiscard]] RouterBands band_of(const GroupValues& found,
                                    const std::vector<GroupValues>& replicates) const {
    RouterBands bands;
    bands.curve = found.curve;
    for (std::size_t k = 0; k <= options_.steps; ++k) {
      const RoutingEstimate at = estimate(found.curve.accuracy[k], [&](std::size_t b) {
        return std::optional(replicates[b].curve.accuracy[k]);
      });
      bands.low.accuracy.push_back(at.low);
      bands.high.accuracy.push_back(at.high);
    }
    for (std::size_t m = 0; m < kRoutingMetrics; ++m) {
      bands.metrics[m] =
          estimate(found.metrics[m], [&](std::size_t b) { return replicates[b].metrics[m]; });
    }
    return bands;
  }

  [[nodiscard]] RoutingEstimates difference(const GroupValues& first, const GroupValues& other,
                                            std::size_t r) const {
    const auto minus = [](const std::optional<double>& x, const std::optional<double>& y) {
      return x && y ? std::optional(*x - *y) : std::nullopt;
    };
    RoutingEstimates found;
    for (std::size_t m = 0; m < kRoutingMetrics; ++m) {
      found[m] = estimate(minus(first.metrics[m], other.metrics[m]), [&](std::size_t b) {
        return minus(replicates_[0][b].metrics[m], replicates_[r][b].metrics[m]);
      });
    }
    return found;
  }

  RoutingOptions options_;
  const std::vector<RoutedTask>& tasks_;  ///< As the first router saw them.
  QuestionLists questions_;
  std::vector<std::vector<std::vector<Draw>>> routers_;  ///< [routers][tasks][draws]
  std::vector<std::vector<GroupValues>> replicates_;     ///< [routers][resamples]
};

}  // namespace

std::string to_string(RoutingMetric metric) {
  return kNames[static_cast<std::size_t>(metric)].second;
}

std::span<const RoutingMetric> all_routing_metrics() {
  static const auto all = [] {
    std::array<RoutingMetric, kRoutingMetrics> metrics{};
    for (std::size_t m = 0; m < kRoutingMetrics; ++m) metrics[m] = kNames[m].first;
    return metrics;
  }();
  return all;
}

RoutingBands routing_bands(std::span<const std::vector<RoutedTask>> routers,
                           const RoutingOptions& options) {
  check(routers, options);
  return Bootstrap(routers, options).run();
}

}  // namespace crayon
