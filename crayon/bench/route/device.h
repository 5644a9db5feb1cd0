// The device's side of one task: made from K examples as `crayon customize` makes it, and asked as
// `crayon ask` would answer, head, calibration and scope included.
#pragma once

#include <vector>

#include "crayon/bench/route/answers.h"
#include "crayon/bench/scoring.h"
#include "crayon/pool/pool.h"
#include "crayon/session/customize.h"
#include "crayon/session/device.h"

namespace crayon {

/// Says how sure the device is of each answer, from its scores, right or wrong, and scopes: the
/// task's calibration and recent scores as `crayon customize` makes them from the examples. They
/// follow from the pool's calibration, so a result outlives it.
void fit_confidences(DeviceResult& result, const Calibration& of_pool);

/// Borrows the pool and the scorer, whose engine it uses.
class RouteDevice {
 public:
  /// @param scorer    by mean log-prob, as `ask` scores
  /// @param examples  K, labelled
  /// @throws Error  as customize()
  RouteDevice(Pool& pool, BenchScorer& scorer, const std::vector<BenchRow>& examples);

  /// No confidences: fit_confidences().
  /// @throws Error InvalidArgument  a row that does not fit the context; Interrupted
  [[nodiscard]] DeviceRows answer(const std::vector<BenchRow>& rows);
  /// The K examples by nested leave-one-out, each with its scope among the others: what the task
  /// was calibrated on. K is at least 2, all with a label.
  [[nodiscard]] DeviceRows answer_examples();

  [[nodiscard]] const CustomizeReport& report() const { return report_; }
  [[nodiscard]] const TaskInfo& info() const { return *report_.task.info; }

 private:
  /// Scores before the head, and the choices' states where it needs them.
  [[nodiscard]] RowScores raw_scores(const std::vector<BenchRow>& rows);

  Pool& pool_;
  BenchScorer& scorer_;
  std::vector<BenchRow> examples_;
  CustomizeReport report_;
  bool base_;  ///< The base was kept: no adapter.
  TaskOnDevice task_;
};

}  // namespace crayon
