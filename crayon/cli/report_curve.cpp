#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "crayon/cli/plot.h"
#include "crayon/cli/report.h"
#include "crayon/session/curve.h"

namespace crayon {
namespace {

using Json = nlohmann::ordered_json;

constexpr double kTwoSided95 = 1.96;

Plot accuracy_plot(const std::string& task, std::span<const CurvePoint> curve,
                   const Evaluation& evaluation) {
  PlotSeries mix{.name = "mix", .points = {}, .colour = "#0072b2"};
  PlotSeries low{.name = "95 %", .points = {}, .colour = "#9ecae1", .dashed = true};
  PlotSeries high = low;
  high.name = "";
  double least = 1;
  double most = 0;
  for (const CurvePoint& point : curve) {
    const double around = kTwoSided95 * point.standard_error;
    mix.points.emplace_back(point.server_share, point.accuracy);
    low.points.emplace_back(point.server_share, std::max(0.0, point.accuracy - around));
    high.points.emplace_back(point.server_share, std::min(1.0, point.accuracy + around));
    least = std::min(least, low.points.back().second);
    most = std::max(most, high.points.back().second);
  }
  const double device = curve.front().accuracy;
  const double server = evaluation.server->accuracy;
  Plot plot{
      .title = fmt::format("{}: accuracy against server share, n = {}", task, curve.size() - 1),
      .x_label = "share of the questions sent to the server",
      .y_label = "accuracy",
      .y_low = std::floor(least * 20) / 20,
      .y_high = std::ceil(most * 20) / 20,
      .series = {}};
  if (plot.y_high <= plot.y_low) plot.y_high = plot.y_low + 0.05;
  plot.series = {
      mix,
      low,
      high,
      {.name = "random",
       .points = {{0, device}, {1, curve.back().accuracy}},
       .colour = "#999",
       .dashed = true},
      {.name = "server alone", .points = {{0, server}, {1, server}}, .colour = "#d55e00"},
      {.name = "chosen",
       .points = {{evaluation.server_share, evaluation.mix->accuracy}},
       .colour = "#009e73",
       .dots = true}};
  return plot;
}

}  // namespace

std::string curve_json(const std::string& task, const Evaluation& evaluation) {
  Json json{{"task", task}, {"points", Json::array()}};
  for (const CurvePoint& point : server_share_curve(evaluation)) {
    json["points"].push_back({{"server_share", point.server_share},
                              {"accuracy", point.accuracy},
                              {"standard_error", point.standard_error},
                              {"risk", point.risk},
                              {"threshold", point.threshold}});
  }
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string curve_svg(const std::string& task, const Evaluation& evaluation) {
  return plot_svg(accuracy_plot(task, server_share_curve(evaluation), evaluation));
}

std::string curve_page(const std::string& task, const Evaluation& evaluation) {
  const Plot plots[] = {accuracy_plot(task, server_share_curve(evaluation), evaluation)};
  return plot_page(task + ": accuracy against server share", evaluation_text(evaluation), plots);
}

}  // namespace crayon
