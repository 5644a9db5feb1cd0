#include "crayon/stats/stats.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "crayon/base/error.h"
#include "crayon/base/random.h"

namespace crayon {
namespace {

void require(bool holds, const std::string& message) {
  if (!holds) throw Error(ErrorCode::InvalidArgument, message);
}

void check_finite(std::span<const double> values, std::string_view where) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (std::isfinite(values[i]))
      continue;  // a message for each value would cost more than the rest
    require(false, fmt::format("{}: value {} of {} is {}; expected a finite number", where, i,
                               values.size(), values[i]));
  }
}

void check_sizes(std::size_t values, std::size_t labels, std::string_view where) {
  require(values == labels,
          fmt::format("{}: {} values and {} labels; expected one for each", where, values, labels));
}

double mean_of(std::span<const double> values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double quantile_of_sorted(const std::vector<double>& sorted, double q) {
  const double at = q * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(at);
  if (below + 1 >= sorted.size()) return sorted.back();
  return sorted[below] + (at - static_cast<double>(below)) * (sorted[below + 1] - sorted[below]);
}

std::vector<std::size_t> ascending(std::span<const double> scores) {
  std::vector<std::size_t> order(scores.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return scores[a] < scores[b]; });
  return order;
}

}  // namespace

Accuracy accuracy(std::span<const std::uint8_t> right) {
  require(!right.empty(), "accuracy: 0 answers; expected at least one");
  const auto n = static_cast<double>(right.size());
  const auto hits = std::count_if(right.begin(), right.end(), [](auto x) { return x != 0; });
  const double p = static_cast<double>(hits) / n;
  return {p, std::sqrt(p * (1 - p) / n), right.size()};
}

Interval bootstrap_mean(std::span<const double> values, double level, std::size_t resamples,
                        std::uint64_t seed) {
  require(!values.empty(), "bootstrap: 0 values; expected at least one");
  require(level > 0 && level < 1,
          fmt::format("bootstrap: level {}; expected a number between 0 and 1", level));
  require(resamples > 0, "bootstrap: 0 resamples; expected at least one");
  check_finite(values, "bootstrap");
  Rng rng(seed, "bootstrap");
  std::vector<double> means(resamples);
  for (double& mean : means) {
    double sum = 0;
    for (std::size_t i = 0; i < values.size(); ++i) sum += values[rng.below(values.size())];
    mean = sum / static_cast<double>(values.size());
  }
  std::sort(means.begin(), means.end());
  return {mean_of(values), quantile_of_sorted(means, (1 - level) / 2),
          quantile_of_sorted(means, (1 + level) / 2)};
}

double auroc(std::span<const double> scores, std::span<const std::uint8_t> positive) {
  check_sizes(scores.size(), positive.size(), "auroc");
  check_finite(scores, "auroc");
  const auto order = ascending(scores);
  double rank_sum = 0;
  double n_positive = 0;
  for (std::size_t i = 0; i < order.size();) {
    std::size_t end = i;
    double positives = 0;
    for (; end < order.size() && scores[order[end]] == scores[order[i]]; ++end) {
      if (positive[order[end]] != 0) ++positives;
    }
    rank_sum += positives * 0.5 * static_cast<double>(i + 1 + end);  // the tie's mean rank
    n_positive += positives;
    i = end;
  }
  const double n_negative = static_cast<double>(scores.size()) - n_positive;
  if (n_positive == 0 || n_negative == 0) return 0.5;
  return (rank_sum - n_positive * (n_positive + 1) / 2) / (n_positive * n_negative);
}

double expected_calibration_error(std::span<const double> confidence,
                                  std::span<const std::uint8_t> right, std::size_t bins) {
  check_sizes(confidence.size(), right.size(), "calibration error");
  require(!confidence.empty() && bins > 0,
          fmt::format("calibration error: {} answers in {} bins; expected at least one of each",
                      confidence.size(), bins));
  std::vector<double> gap(bins);  // sum of (right - confidence) in each bin
  for (std::size_t i = 0; i < confidence.size(); ++i) {
    const double c = confidence[i];
    require(c >= 0 && c <= 1,
            fmt::format("calibration error: confidence {} is {}; expected 0 to 1", i, c));
    const auto bin = std::min(bins - 1, static_cast<std::size_t>(c * static_cast<double>(bins)));
    gap[bin] += (right[i] != 0 ? 1.0 : 0.0) - c;
  }
  double sum = 0;
  for (const double g : gap) sum += std::abs(g);
  return sum / static_cast<double>(confidence.size());
}

double calibration_error_by_chance(std::span<const double> confidence, std::size_t bins,
                                   std::size_t draws, std::uint64_t seed) {
  require(draws > 0, "calibration error by chance: 0 draws; expected at least one");
  Rng rng(seed, "calibration error by chance");
  std::vector<std::uint8_t> right(confidence.size());
  double sum = 0;
  for (std::size_t d = 0; d < draws; ++d) {
    for (std::size_t i = 0; i < right.size(); ++i) {
      right[i] = rng.uniform() < confidence[i] ? 1 : 0;
    }
    sum += expected_calibration_error(confidence, right, bins);
  }
  return sum / static_cast<double>(draws);
}

double quantile(std::vector<double> values, double q) {
  require(!values.empty(), "quantile: 0 values; expected at least one");
  require(q >= 0 && q <= 1, fmt::format("quantile: q is {}; expected 0 to 1", q));
  check_finite(values, "quantile");
  const double at = q * static_cast<double>(values.size() - 1);
  const auto below = values.begin() + static_cast<std::ptrdiff_t>(at);
  std::nth_element(values.begin(), below, values.end());  // in time n: no need to sort the others
  if (below + 1 == values.end()) return *below;
  const double above = *std::min_element(below + 1, values.end());
  return *below + (at - std::floor(at)) * (above - *below);
}

std::vector<double> log_softmax(std::span<const float> scores) {
  if (scores.empty()) return {};
  const double top = *std::max_element(scores.begin(), scores.end());
  double sum = 0;
  for (const float s : scores) sum += std::exp(double{s} - top);
  std::vector<double> out;
  out.reserve(scores.size());
  for (const float s : scores) out.push_back(double{s} - top - std::log(sum));
  return out;
}

}  // namespace crayon
