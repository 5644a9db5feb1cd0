// The pieces of a routing report's page, each as HTML that stands without a script. Every text of
// the report goes through escaped(). All throw nlohmann::json::exception for JSON of another shape.
#pragma once

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <string>

namespace crayon {

/// Cost against quality, and mixed traffic, against one server.
[[nodiscard]] std::string route_server_section(const nlohmann::json& report, std::size_t server);
[[nodiscard]] std::string route_calibration_tables(const nlohmann::json& report);
[[nodiscard]] std::string route_risk_table(const nlohmann::json& report);
[[nodiscard]] std::string route_scope_table(const nlohmann::json& report);
[[nodiscard]] std::string route_task_tables(const nlohmann::json& report);
[[nodiscard]] std::string route_settings_tables(const nlohmann::json& report);

}  // namespace crayon
