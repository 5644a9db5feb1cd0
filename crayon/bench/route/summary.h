// From both sides' answers to what can be said of routers: curves with bands, mixed traffic, risk
// and share against what was asked for, calibration, scope. Statistics: stats/routing_bands.h.
#pragma once

#include <string>
#include <vector>

#include "crayon/bench/route/risk.h"
#include "crayon/bench/route/router.h"
#include "crayon/bench/route/run.h"
#include "crayon/stats/routing_bands.h"

namespace crayon {

/// The scores of one router for one draw of a task, as a report keeps them.
struct RouterScores {
  std::size_t task = 0;
  std::size_t seed = 0;  ///< Index into the plan's.
  const BenchRouter* router = nullptr;
  std::vector<double> questions;
  std::vector<double> mixed;
};

/// An asked server share, as the router that counts along the questions met it.
struct ShareLine {
  double asked = 0;
  double realised = 0;  ///< Mean over tasks and draws,
  double least = 0;     ///< and the ends.
  double most = 0;
  double accuracy = 0;  ///< Of the mix, mean over tasks.
};

inline constexpr std::size_t kCoverages = 50;

struct RouteTaskSummary {
  std::size_t task = 0;
  double device = 0;  ///< Accuracy, mean over draws.
  double server = 0;
  std::size_t unparsed = 0;  ///< The server's replies to its questions that named no choice.
  RoutingBands bands;        ///< Of the routers that have scores.
};

/// The device against one server, on the tasks where both have answered all.
struct ServerSummary {
  std::string server;
  std::vector<RouteTaskSummary> tasks;
  std::vector<const BenchRouter*> routers;  ///< Those that have scores: the order of the bands.
  RoutingBands all;                         ///< Of all those tasks; of no use without one.
  /// Of all their questions as one list, divided by one threshold: a task where the device is weak
  /// may send more. Empty for a single task.
  RoutingBands pooled;
  std::vector<std::size_t> mixed_tasks;  ///< Those that have near and far ones ...
  RoutingBands mixed;                    ///< ... and their mixed traffic.
  std::vector<ShareLine> shares;
  /// [routers][kCoverages] selective risk at coverage 1/kCoverages, ..., 1: mean over tasks, draws.
  std::vector<std::vector<double>> risks;
  std::vector<RouterScores> scores;
};

/// Bins of a reliability diagram: equal widths of confidence, all tasks and draws together.
struct ReliabilityPoint {
  std::size_t n = 0;
  double confidence = 0;  ///< Means.
  double accuracy = 0;
};
inline constexpr std::size_t kReliabilityPoints = 10;

/// Means over draws.
struct CalibrationErrors {
  double before = 0;            ///< ECE of the choices' largest share,
  double after = 0;             ///< and of the calibrated confidence.
  double before_by_chance = 0;  ///< What these would be if the confidences were exact.
  double after_by_chance = 0;
};

struct CalibrationLine {
  std::size_t task = 0;
  CalibrationErrors errors;
};

struct RiskLine {
  std::size_t task = 0;
  double risk = 0;  ///< Asked for.
  RiskTrial trial;  ///< Calibrated on questions of the task, all draws together.
  /// Realised on all questions where the threshold comes from the K examples, as a user's would:
  /// mean over draws; -1 where K is too small.
  double from_examples = -1;
};

/// Shares of requests whose p-value of scope is below the router's level, means over tasks and
/// draws: the task's own, and those of near and far tasks; -1 where there is no such task.
struct OutsideShares {
  double own = -1;
  double near = -1;
  double far = -1;
};

struct ScopeLine {
  std::size_t n = 0;  ///< Examples.
  std::size_t near_tasks = 0;
  std::size_t far_tasks = 0;
  /// AUROC of the similarity for "of the task" against questions of near and of far tasks: mean
  /// over tasks and draws, band over tasks; -1 where no task has such neighbours or n examples.
  double near = -1, near_low = -1, near_high = -1;
  double far = -1, far_low = -1, far_high = -1;
  OutsideShares by_examples = {};               ///< By the task's examples alone,
  std::optional<OutsideShares> with_pool = {};  ///< and with the pool's model, where it has one.
};

struct RouteSummary {
  std::vector<ServerSummary> servers;
  std::vector<CalibrationLine> calibration;
  CalibrationErrors one_list;            ///< Of the questions of all tasks together.
  std::vector<ReliabilityPoint> before;  ///< [kReliabilityPoints]
  std::vector<ReliabilityPoint> after;
  std::vector<RiskLine> risks;
  std::vector<ScopeLine> scope;
};

/// Needs the plan that the run was made with. Tasks that are not done by both sides are left out.
/// @throws Interrupted
[[nodiscard]] RouteSummary summarise(const RouteRun& run, const RoutePlan& plan);

}  // namespace crayon
