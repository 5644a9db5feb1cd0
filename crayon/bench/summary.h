// From answers to what can be said: means over tasks with their bands, paired differences, wins and
// losses, calibration error. Statistics: stats/paired.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "crayon/bench/run.h"
#include "crayon/stats/paired.h"

namespace crayon {

/// A method against another one, on the tasks that both were run on.
struct Comparison {
  std::string against;
  std::size_t tasks = 0;
  TwoWayEstimate difference;
  double holm_p = 1;  ///< Corrected for all comparisons of its family (Holm).
  WinTieLoss counts;
};

/// A method's line in a table.
struct SummaryLine {
  std::string method;
  std::size_t tasks = 0;
  std::size_t seeds = 0;  ///< The least of its tasks.
  TwoWayEstimate accuracy;
  double calibration_error =
      0;  ///< Mean over tasks; confidence is the top share of softmax(scores).
  /// With kRivals. A family: all methods of the table that are held to the same one.
  std::vector<Comparison> against;
};

/// One of kOurs against every other method of its table; a family.
struct OursLine {
  std::string method;
  std::vector<Comparison> against;
};

/// One table: a K, a group of tasks, label calibration on or off.
struct SummaryTable {
  std::size_t k = 0;
  std::string group;  ///< "pool", "near", "far", "held-out" (near and far), "all".
  bool label_calibration = false;
  std::size_t tasks = 0;
  std::vector<SummaryLine> lines;  ///< In the order of the methods.
  std::vector<OursLine> ours;      ///< Those of kOurs that have a line.
};

/// One method on one task, over its seeds.
struct TaskLine {
  std::string task;
  std::string method;
  std::size_t k = 0;
  bool label_calibration = false;
  std::size_t seeds = 0;
  std::size_t questions = 0;
  double accuracy = 0;
  double standard_error = 0;  ///< Over questions and seeds.
  double calibration_error = 0;
};

struct BenchSummary {
  std::vector<SummaryTable> tables;
  std::vector<TaskLine> tasks;
};

/// What methods are held to, where the run has them.
inline constexpr const char* kRivals[] = {"base", "uniform", "multitask"};
/// What this project claims something for, so what has to answer to every method there is.
inline constexpr const char* kOurs[] = {"crayon", "crayon-refined", "customize"};

/// A table's line needs the method on every task of the group; a method that lacks one is left out.
[[nodiscard]] BenchSummary summarise(const BenchRun& run);

}  // namespace crayon
