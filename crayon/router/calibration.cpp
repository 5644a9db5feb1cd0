#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "crayon/base/error.h"
#include "crayon/router/router.h"

namespace crayon {
namespace {

constexpr double kRidge = 1e-4;  // keeps slope and intercept finite where the data do not
/// Of the slope for each question that the prior counts as: with the usual 10 a slope varies by .22
/// between tasks. Chosen on the development tasks of the benchmark (docs/design/router.md).
constexpr double kSlopeRidge = 2;
constexpr int kMaxSteps = 100;

double sigmoid(double x) {
  return x >= 0 ? 1 / (1 + std::exp(-x)) : std::exp(x) / (1 + std::exp(x));
}
double softplus(double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))); }

double feature(const ChoiceSignals& signals) {
  const double margin = std::clamp(signals.margin, 0.001, 0.999);
  return std::log(margin / (1 - margin));
}

struct Line {
  double slope = 0;
  double intercept = 0;
  [[nodiscard]] double at(double x) const { return slope * x + intercept; }
};

/// One question: its feature and the probability that the fit should give it.
struct Point {
  double x = 0;
  double target = 0;
};

/// The convex loss of a line: cross-entropy times `weight` a point, and ridges to the prior.
struct Loss {
  std::vector<Point> points;
  double weight = 1;
  Line prior;
  double slope_ridge = kRidge;

  [[nodiscard]] double at(const Line& line) const {
    double sum = 0.5 * slope_ridge * std::pow(line.slope - prior.slope, 2) +
                 0.5 * kRidge * std::pow(line.intercept - prior.intercept, 2);
    for (const Point& p : points) {
      sum += weight * (softplus(line.at(p.x)) - p.target * line.at(p.x));
    }
    return sum;
  }

  /// Newton's step; with `free_slope` false the slope stays.
  [[nodiscard]] Line step(const Line& line, bool free_slope) const {
    double gs = slope_ridge * (line.slope - prior.slope);
    double gi = kRidge * (line.intercept - prior.intercept);
    double hss = slope_ridge, hsi = 0, hii = kRidge;
    for (const Point& p : points) {
      const double probability = sigmoid(line.at(p.x));
      const double error = weight * (probability - p.target);
      const double curvature = weight * probability * (1 - probability);
      gs += error * p.x;
      gi += error;
      hss += curvature * p.x * p.x;
      hsi += curvature * p.x;
      hii += curvature;
    }
    if (!free_slope) return {0, -gi / hii};
    const double determinant = hss * hii - hsi * hsi;
    return {(hsi * gi - hii * gs) / determinant, (hsi * gs - hss * gi) / determinant};
  }
};

/// Newton's method with halved steps until the loss falls.
Line minimize(const Loss& loss, Line line, bool free_slope) {
  double now = loss.at(line);
  for (int i = 0; i < kMaxSteps; ++i) {
    const Line step = loss.step(line, free_slope);
    double size = 1;
    Line next{line.slope + step.slope, line.intercept + step.intercept};
    while (loss.at(next) > now && size > 1e-10) {
      size /= 2;
      next = {line.slope + size * step.slope, line.intercept + size * step.intercept};
    }
    const double then = loss.at(next);
    if (!(then < now)) break;
    line = next;
    if (now - then < 1e-13 * (1 + std::abs(now))) break;
    now = then;
  }
  return line;
}

void check_fit(std::span<const ChoiceSignals> signals, std::span<const std::uint8_t> right,
               double prior_n) {
  if (signals.size() != right.size()) {
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("calibration: {} signals and {} labels; expected one for each",
                            signals.size(), right.size()));
  }
  if (!std::isfinite(prior_n) || prior_n < 0) {
    throw Error(
        ErrorCode::InvalidArgument,
        fmt::format("calibration: the prior counts as {} questions; expected at least 0", prior_n));
  }
  for (const ChoiceSignals& s : signals) {
    if (std::isfinite(s.margin)) continue;
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("calibration: a margin is {}; expected 0 to 1", s.margin));
  }
}

}  // namespace

double confidence(const Calibration& calibration, const ChoiceSignals& signals) {
  return sigmoid(calibration.slope * feature(signals) + calibration.intercept);
}

Calibration fit_calibration(std::span<const ChoiceSignals> signals,
                            std::span<const std::uint8_t> right, const Calibration& prior,
                            double prior_n) {
  check_fit(signals, right, prior_n);
  if (signals.empty()) return prior;
  const double each = prior_n / static_cast<double>(signals.size());
  Loss loss;
  loss.prior = {std::max(0.0, prior.slope), prior.intercept};
  loss.weight = 1 + each;
  loss.slope_ridge = kRidge + kSlopeRidge * prior_n;
  for (std::size_t i = 0; i < signals.size(); ++i) {
    const double x = feature(signals[i]);
    const double believed = sigmoid(loss.prior.at(x));
    loss.points.push_back({x, ((right[i] != 0 ? 1.0 : 0.0) + each * believed) / loss.weight});
  }
  Line line = minimize(loss, loss.prior, true);
  if (line.slope < 0) line = minimize(loss, {0, loss.prior.intercept}, false);
  return {line.slope, line.intercept, signals.size(), prior.approximate};
}

}  // namespace crayon
