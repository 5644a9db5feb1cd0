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
/// Of the intercept in the same way: below what a guess gets right the likelihood is flat, and
/// would send it off to where the margin says nothing more.
constexpr double kInterceptRidge = 0.01;
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

/// One question: its feature, the probability that the fit should give it, and that of a guess.
struct Point {
  double x = 0;
  double target = 0;
  double guess = 0;
};

double probability(double guess, double line) { return guess + (1 - guess) * sigmoid(line); }

/// -log of the probability; as it is without a guess, where it must hold far out too.
double log_loss(const Point& p, double line) {
  if (p.guess == 0) return softplus(line) - p.target * line;
  return -p.target * std::log(probability(p.guess, line)) -
         (1 - p.target) * (std::log(1 - p.guess) - softplus(line));
}

/// The loss of a line: cross-entropy times `weight` a point, and ridges to the prior. Convex
/// where nothing is guessed.
struct Loss {
  std::vector<Point> points;
  double weight = 1;
  Line prior;
  double slope_ridge = kRidge;
  double intercept_ridge = kRidge;

  [[nodiscard]] double at(const Line& line) const {
    double sum = 0.5 * slope_ridge * std::pow(line.slope - prior.slope, 2) +
                 0.5 * intercept_ridge * std::pow(line.intercept - prior.intercept, 2);
    for (const Point& p : points) sum += weight * log_loss(p, line.at(p.x));
    return sum;
  }

  /// Newton's step with the expected curvature (Fisher scoring), which is never negative; with
  /// `free_slope` false the slope stays.
  [[nodiscard]] Line step(const Line& line, bool free_slope) const {
    double gs = slope_ridge * (line.slope - prior.slope);
    double gi = intercept_ridge * (line.intercept - prior.intercept);
    double hss = slope_ridge, hsi = 0, hii = intercept_ridge;
    for (const Point& p : points) {
      const double knows = sigmoid(line.at(p.x));
      const double right = probability(p.guess, line.at(p.x));
      const double share = right > 0 ? knows / right : 1;  // 1 without a guess
      const double error = weight * (right - p.target) * share;
      const double curvature = weight * (1 - p.guess) * knows * (1 - knows) * share;
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

/// Fisher scoring with halved steps until the loss falls.
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
               double prior_n, std::span<const double> guess) {
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
  if (!guess.empty() && guess.size() != signals.size()) {
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("calibration: {} signals and {} guesses; expected one for each or none",
                            signals.size(), guess.size()));
  }
  for (const ChoiceSignals& s : signals) {
    if (std::isfinite(s.margin)) continue;
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("calibration: a margin is {}; expected 0 to 1", s.margin));
  }
}

void check_guess(double guess) {
  if (guess >= 0 && guess < 1) return;
  throw Error(
      ErrorCode::InvalidArgument,
      fmt::format("calibration: a guess is right with {}; expected 0 to less than 1", guess));
}

}  // namespace

double guess_probability(std::size_t choices) {
  return choices < 2 ? 0 : 1 / static_cast<double>(choices);
}

double confidence(const Calibration& calibration, const ChoiceSignals& signals) {
  return probability(signals.free_text ? 0 : calibration.guess,
                     calibration.slope * feature(signals) + calibration.intercept);
}

Calibration fit_calibration(std::span<const ChoiceSignals> signals,
                            std::span<const std::uint8_t> right, const Calibration& prior,
                            double prior_n, std::span<const double> guess) {
  check_fit(signals, right, prior_n, guess);
  if (signals.empty()) return prior;
  const double each = prior_n / static_cast<double>(signals.size());
  double mean_guess = 0;
  Loss loss;
  loss.prior = {std::max(0.0, prior.slope), prior.intercept};
  loss.weight = 1 + each;
  loss.slope_ridge = kRidge + kSlopeRidge * prior_n;
  loss.intercept_ridge = kRidge + kInterceptRidge * prior_n;
  for (std::size_t i = 0; i < signals.size(); ++i) {
    const double x = feature(signals[i]);
    const double guessed = guess.empty() ? prior.guess : guess[i];
    check_guess(guessed);
    const double of_this = signals[i].free_text ? 0 : guessed;
    const double believed = probability(of_this, loss.prior.at(x));
    loss.points.push_back(
        {x, ((right[i] != 0 ? 1.0 : 0.0) + each * believed) / loss.weight, of_this});
    mean_guess += guessed / static_cast<double>(signals.size());
  }
  Line line = minimize(loss, loss.prior, true);
  if (line.slope < 0) line = minimize(loss, {0, loss.prior.intercept}, false);
  return {.slope = line.slope,
          .intercept = line.intercept,
          .n = signals.size(),
          .approximate = prior.approximate,
          .guess = guess.empty() ? prior.guess : mean_guess};
}

}  // namespace crayon
