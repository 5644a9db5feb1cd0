// A run of `crayon bench route` as one JSON file, one HTML page and text for a terminal.
// The JSON's keys are documented in docs/bench-route-report.md.
#pragma once

#include <filesystem>
#include <string>

#include "crayon/bench/report.h"
#include "crayon/bench/route/summary.h"

namespace crayon {

inline constexpr const char* kRouteSchema = "crayon-bench-route/1";

/// The whole report as JSON text; BenchSettings::multitask and server are not used. With the same
/// inputs it is the same, byte for byte, but for what stands under "times".
[[nodiscard]] std::string route_report_json(const RouteRun& run, const RoutePlan& plan,
                                            const BenchSettings& settings);

/// The page of a report; needs nothing but itself. @param name  of the file, for messages
/// @throws Error CorruptFile  no report of ours, or a key that is missing or wrong
/// @throws Error Unsupported  a report of another schema
[[nodiscard]] std::string route_report_html(const std::string& json, const std::string& name);

/// The same as text for a terminal. @throws Error  as route_report_html
[[nodiscard]] std::string route_report_text(const std::string& json, const std::string& name);

/// Is this text a report of `crayon bench route`, of whatever number?
[[nodiscard]] bool is_route_report(const std::string& json);

/// Plain or gzip. @throws Error  as read_text; CorruptFile, Unsupported
[[nodiscard]] std::string read_route_report(const std::filesystem::path& path);

/// The results of a report with all that a run needs to take them over.
/// @throws Error  as read_route_report; CorruptFile: a key that is missing or wrong
[[nodiscard]] EarlierRoutes read_route_results(const std::filesystem::path& path);

}  // namespace crayon
