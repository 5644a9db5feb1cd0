// Routing metrics with their uncertainty: one router over one or many tasks, and one router against
// others on the same questions. Letters as in routing.h; T tasks, S draws of a task's examples.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "crayon/stats/routing.h"

namespace crayon {

/// Of a group of tasks. "Curve" is the mean of the tasks' curves: each task sends the same share.
enum class RoutingMetric {
  Area,            ///< Area under the curve.
  Apgr,            ///< Of the curve, as all down to Match.
  Pgr20,           ///< PGR at 20 % server share,
  Pgr50,           ///< at 50 %,
  Pgr80,           ///< and at 80 %.
  Cpt50,           ///< Share at which PGR reaches 50 %,
  Cpt80,           ///< and 80 %.
  Match,           ///< Share at which the mix equals the server alone.
  Accuracy50,      ///< Accuracy at 50 % server share.
  OverServer50,    ///< The same minus the server alone.
  Auroc,           ///< Of the score for "the device is right": mean over tasks that have both.
  Aurc,            ///< Mean over tasks,
  Augrc,           ///< and the same.
  ApgrOverTasks,   ///< Mean of the tasks' own, over those whose server is better than the device,
  Cpt50OverTasks,  ///< and the same
  Cpt80OverTasks,
  MatchOverTasks,  ///< over all tasks.
};
inline constexpr std::size_t kRoutingMetrics = 17;
/// "area", "apgr", "pgr_20", ..., "match_over_tasks".
[[nodiscard]] std::string to_string(RoutingMetric metric);
[[nodiscard]] std::span<const RoutingMetric> all_routing_metrics();

/// One task as one router saw it: S draws over the same questions and server.
using RoutedTask = std::vector<RoutedAnswers>;

/// Which question a row asks: its place in one of several lists of questions.
struct AskedQuestion {
  std::size_t list = 0;
  std::size_t place = 0;
};

struct RoutingOptions {
  double level = 0.95;           ///< Of the bands.
  std::size_t resamples = 1000;  ///< At least 1.
  std::uint64_t seed = 0;
  std::size_t steps = 100;      ///< Of the group's curve.
  bool resample_tasks = false;  ///< false: the tasks are fixed, and bands speak of these.
  /// [T][rows] Where several rows, of one task or of several, ask the same question: whose answers
  /// have much in common, so that a replicate takes all of them or none. Empty: no two rows do.
  std::vector<std::vector<AskedQuestion>> questions{};
};

/// None where the metric has no value: no gap between the sides, or no wrong answer.
struct RoutingEstimate {
  std::optional<double> value;
  double low = 0;  ///< Percentile band over the replicates that have a value.
  double high = 0;
  double standard_error = 0;  ///< Deviation of the replicates.
  double p_value = 1;         ///< Of differences: two-sided, as in paired.h.
};
using RoutingEstimates = std::array<RoutingEstimate, kRoutingMetrics>;

struct RouterBands {
  DeferralCurve curve;  ///< Of the group.
  DeferralCurve low;    ///< Its band, share by share.
  DeferralCurve high;
  RoutingEstimates metrics;

  [[nodiscard]] const RoutingEstimate& metric(RoutingMetric m) const {
    return metrics[static_cast<std::size_t>(m)];
  }
};

struct RoutingBands {
  std::vector<RouterBands> routers;
  /// The first router minus each other one, [routers - 1].
  std::vector<RoutingEstimates> differences;
};

/// Bands by a paired bootstrap (ours, after Efron 1979): a replicate draws each task's questions
/// with replacement, the same ones for all routers and draws of examples; with `questions` it draws
/// each of these lists so, and every row is there as often as its question. Where S > 1 the draws
/// are drawn with replacement too, apart for each task; with `resample_tasks` the tasks likewise.
/// So what question and draw do together is counted more than once, and the variance of the draws
/// by (S - 1) / S: with several draws the band errs on the wide side. With a single one it holds
/// for that one. The same numbers give the same result on every machine.
/// @param routers  [routers][T]: all with the same tasks, draws and questions
/// @throws Error InvalidArgument  no router or task, other shapes, answers that differ between
///                                routers; level not between 0 and 1; 0 resamples or steps;
///                                `questions` of another shape, or a task that has no whole list
[[nodiscard]] RoutingBands routing_bands(std::span<const std::vector<RoutedTask>> routers,
                                         const RoutingOptions& options = {});

}  // namespace crayon
