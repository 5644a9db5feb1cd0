// How sure a benchmark can be of a method's accuracy and of the difference of two methods, where
// the same questions are answered under each of a few seeds. Letters: S seeds (rows), Q questions
// (columns), T tasks, m mean, a_s row means - m, b_q column means - m.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

namespace crayon {

/// What a method got on one task: S rows of Q numbers, 1 right and 0 wrong (any finite number will
/// do). A method that depends on no seed has one row.
using TaskScores = std::vector<std::vector<double>>;

/// x - y, cell by cell; where one of them has a single row, it stands for each row of the other.
/// @throws Error InvalidArgument  no row, no question, rows of different lengths, a number that is
///                                not finite, other questions or (above one) other seeds in y
[[nodiscard]] TaskScores paired_difference(const TaskScores& x, const TaskScores& y);

/// The same for each task. @throws Error InvalidArgument  also when the numbers of tasks differ
[[nodiscard]] std::vector<TaskScores> paired_differences(std::span<const TaskScores> x,
                                                         std::span<const TaskScores> y);

struct TwoWayOptions {
  double level = 0.95;            ///< Of the band.
  std::size_t resamples = 10000;  ///< At least 1; p-values are not below 1 / (resamples + 1).
  std::uint64_t seed = 0;
  double null_mean = 0;  ///< What p_value tests the mean against.
};

struct TwoWayEstimate {
  double mean = 0;  ///< Mean over the tasks of each task's mean.
  double low = 0;   ///< Percentile band of the replicates; may leave the scores' range.
  double high = 0;  ///< Its upper end.
  double standard_error =
      0;  ///< sqrt(V) of two_way_bootstrap(); knows nothing of few seeds' tails.
  /// Two-sided: (1 + #{|replicate - mean| >= |mean - null_mean|}) / (resamples + 1).
  double p_value = 1;
};

/// Mean over the tasks, with the uncertainty that comes from the questions (the same ones for all
/// seeds of a task) and from the seeds (drawn anew for each task: seed 1 of one task has nothing in
/// common with seed 1 of another). The tasks are fixed: the result speaks of them, not of others.
///
/// Formula (ours). With x_sq = mu + A_s + B_q + E_sq the mean of one task has the variance
/// v_A/S + v_B/Q + v_E/SQ. Resampling rows and columns of x counts the last term three times and
/// only S - 1 of S parts of the first. Instead a replicate is the mean over the tasks of
///   m + c_Q mean(b*) + seed part,   c_Q = sqrt(Q / (Q - 1)),
/// b* being Q draws with replacement from b: its variance is var(b)/Q (var: unbiased), in
/// expectation v_B/Q + v_E/SQ. For the seeds v_A/S is left. var(a)/S is in expectation v_A/S +
/// v_E/SQ, and the unbiased variance e of the residuals is v_E, so with w = sum_t var(a)/S and r =
/// sum_t e/SQ
///   V = (sum_t var(b)/Q + max(0, w - r)) / T^2.
/// The cut at 0 comes after the sum: cut task by task, noise that looks like seed effects in one
/// task would not be made up for by another. Three numbers have no shape to resample and know their
/// variance badly, so the seed part (of the sum over the tasks) is
///   sqrt(max(0, w n / chi2_n - r)) * normal,   n = w^2 / sum_t((var(a)/S)^2 / (S - 1)),
/// the generalised pivot of a variance component (Weerahandi 1993) with Satterthwaite's (1946)
/// degrees of freedom n: where seeds are all that varies, this is Student's t of S - 1 for one
/// task. Resampled seeds, and a normal of variance w - r, cover 87 % instead of 95 % there.
///
/// A task with one row has no seed part: the method either depends on no seed, or its result holds
/// for that seed alone. Questions that all came out alike give the band no width.
/// The same numbers give the same result on every machine.
/// @throws Error InvalidArgument  no task, a table that paired_difference() would refuse or with a
///                                single question; level not between 0 and 1; 0 resamples;
///                                null_mean not finite
[[nodiscard]] TwoWayEstimate two_way_bootstrap(std::span<const TaskScores> tasks,
                                               const TwoWayOptions& options = {});

/// One task's scores made ready for bootstraps: many groups may hold the same task.
class TwoWayTask {
 public:
  /// @param name  of the task, for messages
  /// @throws Error InvalidArgument  as two_way_bootstrap()
  explicit TwoWayTask(const TaskScores& scores, std::string_view name = "bootstrap");
  TwoWayTask(TwoWayTask&&) noexcept;
  TwoWayTask& operator=(TwoWayTask&&) noexcept;
  ~TwoWayTask();

  /// What two_way_bootstrap() says of this task alone; needs no replicates.
  [[nodiscard]] double mean() const;
  [[nodiscard]] double standard_error() const;

  struct Parts;
  [[nodiscard]] const Parts& parts() const { return *parts_; }

 private:
  std::unique_ptr<const Parts> parts_;
};

class TwoWayDraws;

/// two_way_bootstrap() of many groups of tasks with the same options: the same results, but what
/// does not depend on the scores is drawn once. Keeps 8 bytes for each task of a group and
/// replicate. Not thread-safe.
class TwoWayBootstrap {
 public:
  /// @throws Error InvalidArgument  level, resamples and null_mean as two_way_bootstrap()
  explicit TwoWayBootstrap(const TwoWayOptions& options = {});
  ~TwoWayBootstrap();

  /// @throws Error InvalidArgument  no task
  [[nodiscard]] TwoWayEstimate estimate(std::span<const TwoWayTask* const> tasks);
  [[nodiscard]] TwoWayEstimate estimate(const TwoWayTask& task);

 private:
  TwoWayOptions options_;
  std::unique_ptr<TwoWayDraws> draws_;
};

/// Adjusted p-values of m tests, in the order given (Holm 1979): the k-th smallest p times m - k +
/// 1, not below those before it, at most 1. Those below alpha may be called different at a chance
/// of alpha that any of them is a false alarm.
/// @throws Error InvalidArgument  a number that is not in 0..1
[[nodiscard]] std::vector<double> holm(std::span<const double> p_values);

struct WinTieLoss {
  std::size_t wins = 0;    ///< The task's own band lies above 0.
  std::size_t ties = 0;    ///< It holds 0.
  std::size_t losses = 0;  ///< It lies below 0.
};

/// Counts tasks by the estimate of each task's difference alone, without correction for their
/// number.
[[nodiscard]] WinTieLoss count_wins(std::span<const TwoWayEstimate> of_single_tasks);

/// The same, of two_way_bootstrap()'s estimates. @throws Error InvalidArgument  as it does
[[nodiscard]] WinTieLoss count_wins(std::span<const TaskScores> differences,
                                    const TwoWayOptions& options = {});

}  // namespace crayon
