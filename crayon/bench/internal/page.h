// The pieces of a report's page, each as HTML that stands without a script. Every text of the
// report goes through escaped().
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "crayon/base/html.h"
#include "crayon/bench/internal/report_data.h"

namespace crayon {

/// Puts values at the places {{name}} of a template; what a value holds is not looked at again.
/// A place without a value is a fault of ours: assert.
[[nodiscard]] std::string fill(std::string_view text,
                               const std::map<std::string, std::string, std::less<>>& values);

/// What a page says beside its main part; texts not escaped unless said.
struct PageFrame {
  std::string heading;
  std::string pool;
  std::string model;
  std::string name;  ///< Of the report that it was made from.
  std::vector<std::pair<std::string, std::string>> sections;  ///< Id and title, for the links.
  std::string more;    ///< What the JSON file holds beside; HTML.
  std::string data;    ///< Of the plots: JSON.
  std::string script;  ///< Draws them.
};
/// The page. @param main  HTML
[[nodiscard]] std::string framed(const PageFrame& frame, std::string_view main);

/// A number with a true minus sign, for HTML.
[[nodiscard]] std::string with_minus(std::string text);

/// The id of a method's description on the page, from its place in ReportData::methods; "" when it
/// is not there.
[[nodiscard]] std::string method_id(const ReportData& data, const std::string& method);

/// The method's name, linked to its description.
[[nodiscard]] std::string method_link(const ReportData& data, const std::string& method);

/// A table in a box that scrolls by itself. @param body  thead and tbody
[[nodiscard]] std::string table_box(std::string_view classes, std::string_view caption,
                                    std::string_view body);

[[nodiscard]] std::string lead_text(const ReportData& data);      ///< What was compared, and how.
[[nodiscard]] std::string switch_fields(const ReportData& data);  ///< Radio buttons.
[[nodiscard]] std::string summary_tables(const ReportData& data);
[[nodiscard]] std::string task_tables(const ReportData& data);
[[nodiscard]] std::string settings_tables(const ReportData& data);
[[nodiscard]] std::string plot_data(const ReportData& data);  ///< JSON.

}  // namespace crayon
