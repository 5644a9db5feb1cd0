#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "crayon/cli/plot.h"
#include "crayon/cli/report.h"

namespace crayon {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kBarWidth = 30;

std::string line_of(const Calibration& calibration) {
  std::string line =
      fmt::format("slope {:.3f}, intercept {:+.3f}", calibration.slope, calibration.intercept);
  if (calibration.guess > 0) line += fmt::format(", guessed right {:.3f}", calibration.guess);
  return line;
}

std::string counted(std::size_t n, const std::string& what) {
  return fmt::format("{} {}{}", n, what, n == 1 ? "" : "s");
}

std::string measured_on(const CalibrateReport& report) {
  return fmt::format("on {}, each part of ten judged by a fit without it",
                     report.n_questions == report.n_measured
                         ? counted(report.n_measured, "question")
                         : counted(report.n_measured, "label"));
}

std::string reliability_text(const CalibrateReport& report) {
  std::string text = "reliability\n  confidence  says   right      n\n";
  for (std::size_t b = 0; b < report.reliability_after.size(); ++b) {
    const ReliabilityBin& bin = report.reliability_after[b];
    if (bin.n == 0) continue;
    text += fmt::format("  {:.1f} to {:.1f}  {:.3f}  {:.3f}  {:>5}  {}\n",
                        static_cast<double>(b) / 10, static_cast<double>(b + 1) / 10,
                        bin.confidence, bin.accuracy, bin.n, bar(bin.accuracy, 1, kBarWidth));
  }
  return text;
}

/// Of the curve, the point of the least coverage that is at least `coverage`.
const CoveragePoint& at_coverage(const CalibrateReport& report, double coverage) {
  const auto behind = std::ranges::find_if(report.coverage, [&](const CoveragePoint& point) {
    return point.coverage < coverage - 1e-9;
  });
  return behind == report.coverage.begin() ? report.coverage.front() : *(behind - 1);
}

std::string coverage_text(const CalibrateReport& report) {
  std::string text = "risk\n  device answers  confidence  wrong of all  wrong of these\n";
  double last = 2;
  for (int tenth = 10; tenth >= 1; --tenth) {
    const CoveragePoint& point = at_coverage(report, tenth / 10.0);
    if (point.coverage >= last) continue;
    last = point.coverage;
    text +=
        fmt::format("  {:>14.2f}  {:>10.3f}  {:>12.3f}  {:>14.3f}\n", point.coverage,
                    confidence(report.after, {.margin = point.margin}), point.risk, point.error);
  }
  return text;
}

Json calibration_json(const Calibration& calibration) {
  return {{"slope", calibration.slope},
          {"intercept", calibration.intercept},
          {"n", calibration.n},
          {"approximate", calibration.approximate},
          {"guess", calibration.guess}};
}

Json labels_json(const CalibrateReport& report) {
  return {{"examples", report.n_examples},
          {"questions", report.n_questions},
          {"marks", report.n_marks}};
}

Json reliability_json(const std::vector<ReliabilityBin>& bins) {
  Json json = Json::array();
  for (const ReliabilityBin& bin : bins) {
    json.push_back({{"confidence", bin.confidence}, {"accuracy", bin.accuracy}, {"n", bin.n}});
  }
  return json;
}

PlotSeries reliability_series(const std::string& name, const std::string& colour,
                              const std::vector<ReliabilityBin>& bins) {
  PlotSeries series{.name = name, .points = {}, .colour = colour, .dashed = false, .dots = true};
  for (const ReliabilityBin& bin : bins) {
    if (bin.n > 0) series.points.emplace_back(bin.confidence, bin.accuracy);
  }
  return series;
}

}  // namespace

std::string calibrate_text(const CalibrateResult& result) {
  const CalibrateReport& report = result.report;
  std::string text =
      fmt::format("task         {}\nlabels       {} of its own, {}, {}\n", result.task,
                  counted(report.n_examples, "example"), counted(report.n_questions, "question"),
                  counted(report.n_marks, "mark"));
  text +=
      fmt::format("calibration  {}; before {}\n", line_of(report.after), line_of(report.before));
  if (report.server) {
    text += fmt::format("server       {}\n", line_of(*report.server));
  }
  text +=
      fmt::format("ECE          {:.3f}; before {:.3f}, raw margin {:.3f} ({})\n",
                  report.error_after, report.error_before, report.error_raw, measured_on(report));
  text += reliability_text(report) + coverage_text(report);
  const std::size_t n = report.n_questions > 0 ? report.n_questions : report.n_examples;
  text += fmt::format("least risk   --max-risk {:.4f}, with {}\n", least_risk(n) + 0.00005,
                      counted(n, report.n_questions > 0 ? "question" : "example"));
  if (!result.file.empty()) text += fmt::format("wrote        {}\n", result.file.string());
  return text;
}

std::string calibrate_json(const CalibrateResult& result) {
  const CalibrateReport& report = result.report;
  Json json{{"task", result.task},
            {"file", result.file.string()},
            {"labels", labels_json(report)},
            {"before", calibration_json(report.before)},
            {"after", calibration_json(report.after)}};
  if (report.server) json["server"] = calibration_json(*report.server);
  json["ece"] = {{"raw", report.error_raw},
                 {"before", report.error_before},
                 {"after", report.error_after},
                 {"n", report.n_measured}};
  json["reliability"] = {{"before", reliability_json(report.reliability_before)},
                         {"after", reliability_json(report.reliability_after)}};
  json["risk_coverage"] = Json::array();
  for (const CoveragePoint& point : report.coverage) {
    json["risk_coverage"].push_back(
        {{"coverage", point.coverage},
         {"confidence", confidence(report.after, {.margin = point.margin})},
         {"risk", point.risk},
         {"error", point.error}});
  }
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string feedback_text(const FeedbackResult& result) {
  const std::string first = fmt::format("{} marked {}\n", result.id, result.mark);
  if (!result.fitted) return first + fmt::format("not calibrated: {}\n", result.why_not);
  const CalibrateReport& report = result.fitted->report;
  return first +
         fmt::format("task {}: {}; before {} ({}, {}, {})\n", result.task, line_of(report.after),
                     line_of(report.before), counted(report.n_examples, "example"),
                     counted(report.n_questions, "question"), counted(report.n_marks, "mark"));
}

std::string feedback_json(const FeedbackResult& result) {
  Json json{{"id", result.id}, {"mark", result.mark}, {"task", result.task}};
  json["calibrated"] = result.fitted.has_value();
  if (result.fitted) {
    json["before"] = calibration_json(result.fitted->report.before);
    json["after"] = calibration_json(result.fitted->report.after);
    json["labels"] = labels_json(result.fitted->report);
  } else {
    json["why_not"] = result.why_not;
  }
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string calibrate_page(const CalibrateResult& result) {
  const CalibrateReport& report = result.report;
  const Plot reliability{
      .title = "Reliability",
      .x_label = "confidence",
      .y_label = "right",
      .series = {{.name = "as it should be",
                  .points = {{0, 0}, {1, 1}},
                  .colour = "#999",
                  .dashed = true,
                  .dots = false},
                 reliability_series("before", "#d55e00", report.reliability_before),
                 reliability_series("after", "#0072b2", report.reliability_after)}};
  Plot risk{.title = "Risk and coverage",
            .x_label = "share that the device answers",
            .y_label = "share wrong",
            .series = {}};
  PlotSeries all{.name = "of all requests", .points = {}, .colour = "#0072b2"};
  PlotSeries these{.name = "of those it answers", .points = {}, .colour = "#d55e00"};
  double most = 0.1;
  for (const CoveragePoint& point : report.coverage) {
    all.points.emplace_back(point.coverage, point.risk);
    these.points.emplace_back(point.coverage, point.error);
    most = std::max({most, point.risk, point.error});
  }
  risk.y_high = most;
  risk.series = {all, these};
  const Plot plots[] = {reliability, risk};
  return plot_page("Calibration of " + result.task, calibrate_text(result), plots);
}

}  // namespace crayon
