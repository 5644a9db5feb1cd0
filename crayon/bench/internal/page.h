// The pieces of a report's page, each as HTML that stands without a script. Every text of the
// report goes through escaped().
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "crayon/bench/internal/report_data.h"

namespace crayon {

/// Text as HTML shows it, in elements and in quoted attributes.
[[nodiscard]] std::string escaped(std::string_view text);

/// Puts values at the places {{name}} of a template; what a value holds is not looked at again.
/// A place without a value is a fault of ours: assert.
[[nodiscard]] std::string fill(std::string_view text,
                               const std::map<std::string, std::string, std::less<>>& values);

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
[[nodiscard]] std::string plot_data(const ReportData& data);  ///< JSON, safe inside <script>.

}  // namespace crayon
