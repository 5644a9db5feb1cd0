// Line plots over the unit square's x axis as SVG text, and pages of them that need no other file.
#pragma once

#include <span>
#include <string>
#include <utility>
#include <vector>

namespace crayon {

struct PlotSeries {
  std::string name;
  std::vector<std::pair<double, double>> points;  ///< x in 0..1, in their order; finite.
  std::string colour;                             ///< As CSS has it.
  bool dashed = false;
  bool dots = false;  ///< A dot at each point too.
};

struct Plot {
  std::string title;
  std::string x_label;
  std::string y_label;
  double y_low = 0;
  double y_high = 1;
  std::vector<PlotSeries> series;
};

/// One SVG element; texts are escaped.
[[nodiscard]] std::string plot_svg(const Plot& plot);
/// A whole HTML page: a heading, lines of text, and the plots.
[[nodiscard]] std::string plot_page(const std::string& heading, const std::string& text,
                                    std::span<const Plot> plots);

}  // namespace crayon
