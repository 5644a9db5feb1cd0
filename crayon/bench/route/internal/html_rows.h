// Rows of a page's tables.
#pragma once

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "crayon/bench/internal/page.h"
#include "crayon/bench/internal/report_format.h"

namespace crayon {

/// A heading row. @param cells  HTML
inline std::string head_row(const std::vector<std::string>& cells) {
  std::string out = "<thead><tr>";
  for (const std::string& cell : cells) out += fmt::format("<th scope=\"col\">{}</th>", cell);
  return out + "</tr></thead>\n";
}

/// A row that its first cell names. @param cells  HTML
inline std::string body_row(const std::vector<std::string>& cells) {
  std::string out = fmt::format("<tr><th scope=\"row\">{}</th>", cells.front());
  for (std::size_t i = 1; i < cells.size(); ++i) out += fmt::format("<td>{}</td>", cells[i]);
  return out + "</tr>\n";
}

inline std::string none_cell() { return "<span class=\"none\">\u2013</span>"; }

/// 0.5432 as "54.3"; a dash for null.
inline std::string percent_cell(const nlohmann::json& value) {
  return value.is_null() ? none_cell() : percent(value.get<double>());
}

/// A difference of shares in points; a dash for null.
inline std::string points_cell(const nlohmann::json& value) {
  return value.is_null() ? none_cell() : with_minus(points(value.get<double>()));
}

/// Three digits; a dash for null.
inline std::string number_cell(const nlohmann::json& value) {
  return value.is_null() ? none_cell() : with_minus(fmt::format("{:.3f}", value.get<double>()));
}

/// An estimate with its band below it. @param cell  percent_cell or number_cell
inline std::string band_cell(const nlohmann::json& estimate,
                             std::string (*cell)(const nlohmann::json&)) {
  if (estimate.at("value").is_null()) return none_cell();
  return fmt::format("{}<small>{} to {}</small>", cell(estimate.at("value")),
                     cell(estimate.at("low")), cell(estimate.at("high")));
}

inline std::string text_cell(const nlohmann::json& value) {
  return escaped(value.get<std::string>());
}

}  // namespace crayon
