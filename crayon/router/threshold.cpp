#include "crayon/router/threshold.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "crayon/base/error.h"

namespace crayon {
namespace {

void check(std::span<const JudgedSignals> examples) {
  for (const JudgedSignals& example : examples) {
    if (std::isfinite(example.signals.margin)) continue;
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("risk: a margin is {}; expected 0 to 1", example.signals.margin));
  }
}

void check_risk(double risk, std::size_t n) {
  if (!(risk > 0 && risk <= 1)) {
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("risk: {} is asked; expected above 0 and at most 1", risk));
  }
  if (static_cast<double>(n + 1) * risk >= 1 - 1e-9) return;
  throw Error(
      ErrorCode::InvalidArgument,
      fmt::format("risk: {} labelled examples cannot promise a risk of {}; it takes {}. The "
                  "least that they can promise is {:.4f}: ask for that, or label more",
                  n, risk, examples_for_risk(risk), least_risk(n) + 0.00005));
}

bool loses(const JudgedSignals& example, Risk kind) {
  if (kind == Risk::DeviceWrong) return !example.right;
  if (!example.server_right) {
    throw Error(ErrorCode::InvalidArgument,
                "risk: an example without the server's label; to compare with the server each "
                "needs one");
  }
  return !example.right && *example.server_right;
}

}  // namespace

double least_risk(std::size_t n) { return 1 / static_cast<double>(n + 1); }

std::size_t examples_for_risk(double risk) {
  if (!(risk > 0)) {
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("risk: {} is asked; expected above 0: no number of examples promises "
                            "none",
                            risk));
  }
  return static_cast<std::size_t>(std::max(0.0, std::ceil(1 / risk - 1 - 1e-9)));
}

RiskThreshold risk_threshold(std::span<const JudgedSignals> examples, double risk, Risk kind) {
  check_risk(risk, examples.size());
  check(examples);
  std::vector<double> losing;  // margins at which the device must not answer, were all known
  for (const JudgedSignals& example : examples) {
    if (loses(example, kind)) losing.push_back(example.signals.margin);
  }
  std::ranges::sort(losing, std::greater<>());
  const auto n = static_cast<double>(examples.size());
  const auto allowed =
      static_cast<std::size_t>(std::max(0.0, std::floor(risk * (n + 1) - 1 + 1e-9)));
  RiskThreshold out{.margin = kNoThreshold, .n = examples.size()};
  out.free_text = std::ranges::all_of(
      examples, [](const JudgedSignals& example) { return example.signals.free_text; });
  if (allowed < losing.size()) out.margin = losing[allowed];
  const auto above = [&](double margin) { return margin > out.margin; };
  out.bound = (static_cast<double>(std::ranges::count_if(losing, above)) + 1) / (n + 1);
  for (const JudgedSignals& example : examples) {
    out.device_share += above(example.signals.margin) ? 1 / n : 0;
  }
  return out;
}

double risk_confidence(const RiskThreshold& threshold, const Calibration& calibration) {
  if (!std::isfinite(threshold.margin)) return threshold.margin;
  return confidence(calibration, {.margin = threshold.margin, .free_text = threshold.free_text});
}

std::vector<CoveragePoint> risk_coverage(std::span<const JudgedSignals> examples) {
  check(examples);
  std::vector<JudgedSignals> sorted(examples.begin(), examples.end());
  std::ranges::sort(sorted, {}, [](const JudgedSignals& e) { return e.signals.margin; });
  double wrong = 0;
  for (const JudgedSignals& example : sorted) wrong += example.right ? 0 : 1;
  const auto n = static_cast<double>(sorted.size());
  std::vector<CoveragePoint> out;
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    const double margin = sorted[i].signals.margin;
    const double left = n - static_cast<double>(i);
    if (i == 0 || margin > sorted[i - 1].signals.margin) {
      out.push_back({margin, left / n, wrong / n, wrong / left});
    }
    wrong -= sorted[i].right ? 0 : 1;
  }
  return out;
}

}  // namespace crayon
