// A report of `crayon bench route` as JSON that was checked on its way in.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>

namespace crayon {

/// @param name  of the file, for messages
/// @throws Error CorruptFile  no report of ours; Unsupported: of another schema
[[nodiscard]] nlohmann::json parse_route_report(const std::string& json, const std::string& name);

/// Runs what reads a report; JSON of another shape than was expected becomes one clear error.
/// @throws Error CorruptFile
void with_route_report(const std::string& name, const std::function<void()>& read);

}  // namespace crayon
