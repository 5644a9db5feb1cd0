// What can be said without a server: calibration, risk, scope.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "crayon/base/interrupt.h"
#include "crayon/bench/route/internal/route_data.h"
#include "crayon/bench/route/summary.h"
#include "crayon/gate/scope.h"
#include "crayon/stats/stats.h"

namespace crayon {
namespace {

/// Ours, of the device's rows.
std::vector<double> router_scores(const DeviceRows& rows) {
  const Router router(RouterOptions{});
  std::vector<double> scores;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    scores.push_back(router.score({.confidence = rows.confidence[i], .scope = rows.scope[i]}));
  }
  return scores;
}

std::vector<double> top_shares(const DeviceRows& rows) {
  std::vector<double> shares;
  for (const auto& scores : rows.scores) shares.push_back(choice_signals(scores).top);
  return shares;
}

void add_to_bins(const std::vector<double>& confidence, const std::vector<std::uint8_t>& right,
                 std::vector<ReliabilityPoint>& bins) {
  for (std::size_t i = 0; i < confidence.size(); ++i) {
    const auto at = static_cast<std::size_t>(confidence[i] * static_cast<double>(bins.size()));
    ReliabilityPoint& bin = bins[std::min(at, bins.size() - 1)];
    ++bin.n;
    bin.confidence += confidence[i];
    bin.accuracy += right[i] != 0 ? 1 : 0;
  }
}

void finish_bins(std::vector<ReliabilityPoint>& bins) {
  for (ReliabilityPoint& bin : bins) {
    if (bin.n == 0) continue;
    bin.confidence /= static_cast<double>(bin.n);
    bin.accuracy /= static_cast<double>(bin.n);
  }
}

/// What was said before and after calibration, and what was right: of one task, or of several.
struct Said {
  std::vector<double> top;
  std::vector<double> confidence;
  std::vector<std::uint8_t> right;

  void add(const Said& more) {
    top.insert(top.end(), more.top.begin(), more.top.end());
    confidence.insert(confidence.end(), more.confidence.begin(), more.confidence.end());
    right.insert(right.end(), more.right.begin(), more.right.end());
  }
};

void add_errors(const Said& said, double weight, CalibrationErrors& to) {
  if (said.right.empty()) return;
  to.before += weight * expected_calibration_error(said.top, said.right);
  to.after += weight * expected_calibration_error(said.confidence, said.right);
  to.before_by_chance += weight * calibration_error_by_chance(said.top);
  to.after_by_chance += weight * calibration_error_by_chance(said.confidence);
}

void add_calibration(const RouteData& data, RouteSummary& to) {
  to.before.resize(kReliabilityPoints);
  to.after.resize(kReliabilityPoints);
  const double weight = 1 / static_cast<double>(data.n_seeds());
  std::vector<Said> one_list(data.n_seeds());
  for (const std::size_t t : data.device_tasks()) {
    CalibrationLine line{.task = t, .errors = {}};
    for (std::size_t s = 0; s < data.n_seeds(); ++s) {
      const DeviceRows& rows = data.device(t, s)->questions;
      const Said said{top_shares(rows), rows.confidence, rows.right};
      add_errors(said, weight, line.errors);
      one_list[s].add(said);
      add_to_bins(said.top, said.right, to.before);
      add_to_bins(said.confidence, said.right, to.after);
    }
    to.calibration.push_back(line);
  }
  for (const Said& said : one_list) add_errors(said, weight, to.one_list);
  finish_bins(to.before);
  finish_bins(to.after);
}

/// The device's wrong answers at or above the threshold, of all.
double realised_risk(const std::vector<double>& scores, const std::vector<std::uint8_t>& right,
                     double threshold) {
  double wrong = 0;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    wrong += scores[i] >= threshold && right[i] == 0 ? 1 : 0;
  }
  return wrong / static_cast<double>(scores.size());
}

/// The trials of several draws as one: their means, and how far these are known together.
RiskTrial joined(const std::vector<RiskTrial>& trials) {
  RiskTrial all;
  const auto draws = static_cast<double>(trials.size());
  double squares = 0;
  for (const RiskTrial& trial : trials) {
    all.n = trial.n;
    if (trial.resamples == 0) return {.n = trial.n};
    all.resamples += trial.resamples;
    all.mean += trial.mean / draws;
    all.deviation += trial.deviation / draws;
    all.server_share += trial.server_share / draws;
    squares += trial.standard_error * trial.standard_error;
  }
  all.standard_error = std::sqrt(squares) / draws;
  return all;
}

RiskLine risk_line(const RouteData& data, const RoutePlan& plan, std::size_t t, double risk) {
  RiskLine line;
  line.task = t;
  line.risk = risk;
  std::vector<RiskTrial> trials;
  double from_examples = 0;
  bool refused = false;
  for (std::size_t s = 0; s < data.n_seeds(); ++s) {
    const DeviceResult& device = *data.device(t, s);
    const std::vector<double> scores = router_scores(device.questions);
    const std::size_t n = std::min(plan.k, scores.size() / 2);
    if (n == 0) return line;
    trials.push_back(
        try_risk({scores, device.questions.right}, risk, n, plan.risk_resamples, plan.seeds[s]));
    const auto threshold =
        conformal_threshold(router_scores(device.examples), device.examples.right, risk);
    refused = refused || !threshold;
    if (threshold) from_examples += realised_risk(scores, device.questions.right, *threshold);
  }
  line.trial = joined(trials);
  if (!refused) line.from_examples = from_examples / static_cast<double>(data.n_seeds());
  return line;
}

/// z of some rows of each of these tasks' questions below z of the task's own: AUROC of similarity.
double scope_auroc(const RouteRun& run, std::size_t t, const Matrix& examples,
                   const std::vector<std::size_t>& others) {
  const Scope scope(examples);
  std::vector<double> similarity;
  std::vector<std::uint8_t> own;
  const auto add = [&](std::size_t task) {
    for (std::size_t q = 0; q < run.question_z[task].rows; ++q) {
      similarity.push_back(scope.similarity(run.question_z[task].row(q)));
      own.push_back(task == t);
    }
  };
  add(t);
  for (const std::size_t other : others) add(other);
  return auroc(similarity, own);
}

/// Share of some tasks' questions that count as not of the task; -1 where there are no tasks.
double outside(const RouteRun& run, const Scope& scope, const std::vector<std::size_t>& tasks) {
  const double level = RouterOptions{}.least_scope;
  double sum = 0;
  std::size_t n = 0;
  for (const std::size_t task : tasks) {
    const Matrix& z = run.question_z[task];
    for (std::size_t q = 0; q < z.rows; ++q, ++n) sum += scope.p_value(z.row(q)) < level ? 1 : 0;
  }
  return n == 0 ? -1 : sum / static_cast<double>(n);
}

/// Means over tasks, each over its draws.
OutsideShares outside_shares(const RouteRun& run, std::size_t n, const ScopeModel& model) {
  std::vector<double> own;
  std::vector<double> near;
  std::vector<double> far;
  const auto add = [](std::vector<double>& to, double share) {
    if (share >= 0) to.push_back(share);
  };
  for (std::size_t t = 0; t < run.tasks.size(); ++t) {
    throw_if_interrupted();
    if (run.tasks[t].examples.size() < n) continue;
    const Neighbours others = neighbours_of(run.families, t);
    for (const Matrix& z : run.example_z[t]) {
      const Scope scope(z.part(0, n), model);
      add(own, outside(run, scope, {t}));
      add(near, outside(run, scope, others.near));
      add(far, outside(run, scope, others.far));
    }
  }
  const auto mean = [](const std::vector<double>& shares) {
    return shares.empty()
               ? -1
               : std::reduce(shares.begin(), shares.end()) / static_cast<double>(shares.size());
  };
  return {.own = mean(own), .near = mean(near), .far = mean(far)};
}

void set_band(const std::vector<double>& values, double& mean, double& low, double& high) {
  if (values.empty()) return;
  const Interval band = bootstrap_mean(values, 0.95, 2000, 0);
  mean = band.mean;
  low = band.low;
  high = band.high;
}

ScopeLine scope_line(const RouteRun& run, std::size_t n) {
  ScopeLine line{.n = n};
  std::vector<double> near;
  std::vector<double> far;
  for (std::size_t t = 0; t < run.tasks.size(); ++t) {
    throw_if_interrupted();
    if (run.tasks[t].examples.size() < n) continue;
    const Neighbours others = neighbours_of(run.families, t);
    const auto draws = static_cast<double>(run.example_z[t].size());
    double of_near = 0;
    double of_far = 0;
    for (const Matrix& z : run.example_z[t]) {
      const Matrix examples = z.part(0, n);
      if (!others.near.empty()) of_near += scope_auroc(run, t, examples, others.near) / draws;
      if (!others.far.empty()) of_far += scope_auroc(run, t, examples, others.far) / draws;
    }
    if (!others.near.empty()) near.push_back(of_near);
    if (!others.far.empty()) far.push_back(of_far);
  }
  line.near_tasks = near.size();
  line.far_tasks = far.size();
  set_band(near, line.near, line.near_low, line.near_high);
  set_band(far, line.far, line.far_low, line.far_high);
  line.by_examples = outside_shares(run, n, {});
  if (!run.scope.empty()) line.with_pool = outside_shares(run, n, run.scope);
  return line;
}

}  // namespace

void summarise_device(const RouteRun& run, const RoutePlan& plan, const RouteData& data,
                      RouteSummary& to) {
  add_calibration(data, to);
  for (const std::size_t t : data.device_tasks()) {
    throw_if_interrupted();
    for (const double risk : plan.risks) to.risks.push_back(risk_line(data, plan, t, risk));
  }
  for (const std::size_t n : plan.scope_examples) to.scope.push_back(scope_line(run, n));
}

}  // namespace crayon
