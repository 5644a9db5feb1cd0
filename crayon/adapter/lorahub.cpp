#include "crayon/adapter/lorahub.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "crayon/adapter/internal/cobyla.h"
#include "crayon/adapter/internal/factors.h"
#include "crayon/base/error.h"

namespace crayon {
namespace {

// nevergrad moves in units of a sixth of the range between the bounds, and COBYLA's first step
// is 1.
constexpr double kUnitsPerBound = 3;

void check_options(std::size_t n, const LoraHubOptions& options) {
  if (n == 0 || options.budget == 0) {
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("lorahub: {} weights and {} evaluations; expected at least one of each",
                            n, options.budget));
  }
  if (!(options.bound > 0) || !std::isfinite(options.bound)) {
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("lorahub: bound {}; expected a finite number above 0", options.bound));
  }
  if (!(options.l1 >= 0) || !std::isfinite(options.l1)) {
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("lorahub: l1 {}; expected a finite number, at least 0", options.l1));
  }
}

/// Mirrors x at the bound that it passes; what is beyond the other one then stays on that.
double bounce(double x, double bound) {
  return std::clamp(2 * std::clamp(x, -bound, bound) - x, -bound, bound);
}

std::vector<float> to_weights(std::span<const double> units, double bound) {
  std::vector<float> weights;
  for (const double u : units) {
    weights.push_back(static_cast<float>(bounce(u * bound / kUnitsPerBound, bound)));
  }
  return weights;
}

}  // namespace

Adapter lorahub_compose(std::span<const BlendPart> parts) {
  const auto split = [](double weight, double scale) {
    const double root = std::sqrt(std::abs(scale));
    return internal::PartFactors{weight * (scale < 0 ? -root : root), weight * root};
  };
  return internal::merge_factors("lorahub", parts, split, internal::weighted_sum);
}

double lorahub_penalty(std::span<const float> weights, double l1) {
  double sum = 0;
  for (const float w : weights) sum += std::abs(double{w});
  return weights.empty() ? 0.0 : l1 * sum / static_cast<double>(weights.size());
}

LoraHubResult lorahub_search(std::size_t n,
                             const std::function<double(std::span<const float>)>& loss,
                             const LoraHubOptions& options) {
  check_options(n, options);
  LoraHubResult best;
  const auto objective = [&](std::span<const double> units) {
    std::vector<float> weights = to_weights(units, options.bound);
    const double found = loss(weights);
    const double value = found + lorahub_penalty(weights, options.l1);
    if (best.evaluations++ == 0 || value < best.objective || std::isnan(best.objective)) {
      best.weights = std::move(weights);
      best.loss = found;
      best.objective = value;
    }
    return value;
  };
  std::vector<double> start(n);
  double best_value = 0;
  while (best.evaluations < options.budget) {
    const bool first = best.evaluations == 0;
    const auto run =
        internal::cobyla(start, objective, {.budget = options.budget - best.evaluations});
    if (first || run.value < best_value) {
      start = run.x;
      best_value = run.value;
    }
  }
  return best;
}

}  // namespace crayon
