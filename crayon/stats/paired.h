// How sure a benchmark can be of a method's accuracy and of the difference of two methods, where the
// same questions are answered under each of a few seeds. Letters: S seeds (rows), Q questions
// (columns), T tasks, m mean, a_s row means - m, b_q column means - m.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
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
  double mean = 0;            ///< Mean over the tasks of each task's mean.
  double low = 0;             ///< Percentile band of the replicates.
  double high = 0;            ///<
  double standard_error = 0;  ///< Square root of the variance V that docs of the function give.
  double p_value = 1;         ///< Two-sided: (1 + #{|replicate - m| >= |m - null|}) / (resamples + 1).
};

/// Mean over the tasks, with the uncertainty that comes from the questions (the same ones for all
/// seeds of a task) and from the seeds (drawn anew for each task). The tasks are fixed: the result
/// speaks of these tasks and not of others like them.
///
/// Formula (ours). The model x_sq = mu + A_s + B_q + E_sq gives the mean of one task the variance
/// s_A/S + s_B/Q + s_E/SQ. Resampling rows and columns of x would count s_E/SQ twice or more, and
/// S - 1 of S parts of s_A only. So a replicate of one task is
///   m + c_Q mean_Q(b*) + lambda c_S mean_S(a*),   c_n = sqrt(n / (n - 1)),
/// b* and a* drawn with replacement from b and a. The first part has variance var(b)/Q, in the mean
/// s_B/Q + s_E/SQ; the second would have var(a)/S, in the mean s_A/S + s_E/SQ (var: unbiased). With
/// e the unbiased variance of the residuals x - m - a_s - b_q, in the mean s_E,
///   lambda^2 = max(0, 1 - sum_t(e/SQ) / sum_t(var(a)/S))
/// takes the second s_E/SQ out again. It is one number for all tasks: cut off at 0 task by task, noise
/// that looks like seed effects in some tasks would not be made up for by the others. Hence
///   V = sum_t(var(b)/Q + lambda^2 var(a)/S) / T^2.
/// A few seeds know var(a) badly, so each replicate's distance from the mean is multiplied by
/// sqrt(n / chi2_n), which makes a normal distribution Student's t of n degrees of freedom, by
/// Satterthwaite (1946):
///   n = (V T^2)^2 / sum_t((var(b)/Q)^2 / (Q - 1) + (lambda^2 var(a)/S)^2 / (S - 1)).
/// A task with one row has no seed part: the method either does not depend on the seed, or its result
/// holds for that seed only. Questions that all came out alike give the band no width.
///
/// The same numbers give the same result on every machine.
/// @throws Error InvalidArgument  no task, fewer than two questions in one, or a table that
///                                paired_difference() would refuse; level not between 0 and 1;
///                                0 resamples; null_mean not finite
[[nodiscard]] TwoWayEstimate two_way_bootstrap(std::span<const TaskScores> tasks,
                                               const TwoWayOptions& options = {});

/// Adjusted p-values of m tests, in the order given (Holm 1979): the k-th smallest p times m - k + 1,
/// not below those before it, at most 1. Those below alpha may be called different at a chance of
/// alpha that any of them is a false alarm.
/// @throws Error InvalidArgument  a number that is not in 0..1
[[nodiscard]] std::vector<double> holm(std::span<const double> p_values);

struct WinTieLoss {
  std::size_t wins = 0;    ///< The task's own band lies above 0.
  std::size_t ties = 0;    ///< It holds 0.
  std::size_t losses = 0;  ///< It lies below 0.
};

/// Counts tasks by two_way_bootstrap() of each task's difference alone, without correction for their
/// number. @throws Error InvalidArgument  as two_way_bootstrap()
[[nodiscard]] WinTieLoss count_wins(std::span<const TaskScores> differences,
                                    const TwoWayOptions& options = {});

}  // namespace crayon
