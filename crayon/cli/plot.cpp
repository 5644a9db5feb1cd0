#include "crayon/cli/plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "crayon/base/html.h"

namespace crayon {
namespace {

constexpr double kWidth = 640;
constexpr double kHeight = 420;
constexpr double kLeft = 64;
constexpr double kRight = 620;
constexpr double kTop = 44;
constexpr double kBottom = 350;
constexpr int kTicks = 5;

double x_of(double x) { return kLeft + std::clamp(x, 0.0, 1.0) * (kRight - kLeft); }
double y_of(const Plot& plot, double y) {
  const double at = (y - plot.y_low) / (plot.y_high - plot.y_low);
  return kBottom - std::clamp(at, 0.0, 1.0) * (kBottom - kTop);
}

std::string label(double x, double y, const char* anchor, const std::string& text,
                  const std::string& more = {}) {
  return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\"{}>{}</text>\n", x, y,
                     anchor, more, escaped(text));
}

std::string axes(const Plot& plot) {
  std::string svg;
  for (int i = 0; i <= kTicks; ++i) {
    const double part = static_cast<double>(i) / kTicks;
    const double value = plot.y_low + part * (plot.y_high - plot.y_low);
    const double x = x_of(part);
    const double y = y_of(plot, value);
    svg += fmt::format(
        "<path d=\"M{:.1f} {:.1f}H{:.1f}M{:.1f} {:.1f}V{:.1f}\" stroke=\"#ddd\" fill=\"none\"/>\n",
        kLeft, y, kRight, x, kTop, kBottom);
    svg += label(kLeft - 8, y + 4, "end", fmt::format("{:.2f}", value));
    svg += label(x, kBottom + 18, "middle", fmt::format("{:.1f}", part));
  }
  svg += label((kLeft + kRight) / 2, kBottom + 38, "middle", plot.x_label);
  svg += label(16, (kTop + kBottom) / 2, "middle", plot.y_label,
               fmt::format(" transform=\"rotate(-90 16 {:.1f})\"", (kTop + kBottom) / 2));
  return svg;
}

std::string line(const Plot& plot, const PlotSeries& series) {
  std::string points;
  std::string dots;
  for (const auto& [x, y] : series.points) {
    points += fmt::format("{:.1f},{:.1f} ", x_of(x), y_of(plot, y));
    if (!series.dots) continue;
    dots += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3\" fill=\"{}\"/>\n", x_of(x),
                        y_of(plot, y), escaped(series.colour));
  }
  return fmt::format("<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"2\"{}/>\n",
                     points, escaped(series.colour),
                     series.dashed ? " stroke-dasharray=\"5 4\"" : "") +
         dots;
}

std::string legend(const Plot& plot) {
  std::string svg;
  double x = kLeft;
  for (const PlotSeries& series : plot.series) {
    svg += fmt::format("<path d=\"M{:.1f} {:.1f}h22\" stroke=\"{}\" stroke-width=\"2\"{}/>\n", x,
                       kHeight - 10, escaped(series.colour),
                       series.dashed ? " stroke-dasharray=\"5 4\"" : "");
    svg += label(x + 28, kHeight - 6, "start", series.name);
    x += 48 + 7 * static_cast<double>(series.name.size());
  }
  return svg;
}

}  // namespace

std::string plot_svg(const Plot& plot) {
  std::string svg = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {:.0f} {:.0f}\" width=\"{:.0f}\" "
      "font-family=\"sans-serif\" font-size=\"12\" role=\"img\">\n<title>{}</title>\n"
      "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
      kWidth, kHeight, kWidth, escaped(plot.title));
  svg += label((kLeft + kRight) / 2, 24, "middle", plot.title, " font-size=\"15\"");
  svg += axes(plot);
  for (const PlotSeries& series : plot.series) svg += line(plot, series);
  return svg + legend(plot) + "</svg>\n";
}

std::string plot_page(const std::string& heading, const std::string& text,
                      std::span<const Plot> plots) {
  std::string page = fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{0}</title>\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<style>body{{font-family:sans-serif;max-width:44em;margin:2em auto;padding:0 1em}}"
      "svg{{max-width:100%;height:auto}}pre{{overflow-x:auto}}</style></head><body>\n"
      "<h1>{0}</h1>\n<pre>{1}</pre>\n",
      escaped(heading), escaped(text));
  for (const Plot& plot : plots) page += plot_svg(plot);
  return page + "</body></html>\n";
}

}  // namespace crayon
