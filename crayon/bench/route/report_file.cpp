#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "crayon/base/error.h"
#include "crayon/base/text.h"
#include "crayon/bench/route/internal/report_reader.h"
#include "crayon/bench/route/report.h"

namespace crayon {
namespace {

using Json = nlohmann::json;

constexpr std::string_view kAnyNumber = "crayon-bench-route/";

std::string schema_of(const Json& json) {
  if (!json.is_object()) return "";
  const auto found = json.find("schema");
  return found != json.end() && found->is_string() ? found->get<std::string>() : "";
}

/// The schema alone, without building the rest.
std::string schema_of_text(const std::string& text) {
  const auto only_schema = [](int depth, Json::parse_event_t event, const Json& parsed) {
    return depth != 1 || event != Json::parse_event_t::key || parsed == "schema";
  };
  return schema_of(Json::parse(text, only_schema, /*allow_exceptions=*/false));
}

void check_numbers(const DeviceRows& rows) {
  const auto share = [](double x) { return x >= 0 && x <= 1; };
  const bool sound = std::ranges::all_of(rows.confidence, share) &&
                     std::ranges::all_of(rows.scope, share) &&
                     std::ranges::all_of(rows.right, [](auto x) { return x <= 1; }) &&
                     std::ranges::none_of(rows.scores, &std::vector<float>::empty);
  if (!sound) throw std::out_of_range("numbers outside of their range");
}

DeviceResult read_device(const Json& json, const Json& times, const Json& machines) {
  DeviceResult result = device_from_stored(json);
  json.at("task").get_to(result.task);
  json.at("seed").get_to(result.seed);
  json.at("key").get_to(result.key);
  times.at("seconds").get_to(result.seconds);
  result.machine = machines.at(times.at("machine").get<std::size_t>()).get<std::string>();
  for (const DeviceRows* rows : {&result.examples, &result.questions, &result.mixed}) {
    check_numbers(*rows);
  }
  return result;
}

ServerResult read_server(const Json& json, const Json& times, const Json& machines) {
  ServerResult result = server_from_stored(json);
  json.at("server").get_to(result.server);
  json.at("task").get_to(result.task);
  result.examples = json.at("rows") == "examples";
  json.at("seed").get_to(result.seed);
  json.at("key").get_to(result.key);
  times.at("seconds").get_to(result.seconds);
  result.machine = machines.at(times.at("machine").get<std::size_t>()).get<std::string>();
  return result;
}

}  // namespace

Json parse_route_report(const std::string& text, const std::string& name) {
  const std::string schema = schema_of_text(text);
  if (schema.starts_with(kAnyNumber) && schema != kRouteSchema) {
    throw Error(ErrorCode::Unsupported,
                fmt::format("{}: a report of schema '{}'; this Crayon reads '{}'", name,
                            one_line(schema), kRouteSchema));
  }
  Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded() || schema != kRouteSchema) {
    throw Error(ErrorCode::CorruptFile,
                fmt::format("{}: no report of crayon bench route, expected schema '{}'; name the "
                            "file that a run wrote",
                            name, kRouteSchema));
  }
  return json;
}

void with_route_report(const std::string& name, const std::function<void()>& read) {
  const auto corrupt = [&](const char* what) {
    return Error(ErrorCode::CorruptFile,
                 fmt::format("{}: a key of the report is missing or not what it should be ({}); "
                             "make the report again with crayon bench route",
                             name, one_line(what)));
  };
  try {
    read();
  } catch (const Json::exception& error) {
    throw corrupt(error.what());
  } catch (const std::out_of_range& error) {
    throw corrupt(error.what());
  }
}

bool is_route_report(const std::string& json) {
  return schema_of_text(json).starts_with(kAnyNumber);
}

std::string read_route_report(const std::filesystem::path& path) {
  std::string text = read_any_report(path);
  (void)parse_route_report(text, path.string());
  return text;
}

EarlierRoutes read_route_results(const std::filesystem::path& path) {
  EarlierRoutes found{.name = path.string(), .device = {}, .servers = {}};
  const Json json = parse_route_report(read_any_report(path), found.name);
  with_route_report(found.name, [&] {
    const Json& results = json.at("results");
    const Json& times = json.at("times");
    const Json& machines = times.at("machines");
    for (std::size_t i = 0; i < results.at("device").size(); ++i) {
      found.device.push_back(
          read_device(results.at("device").at(i), times.at("device").at(i), machines));
    }
    for (std::size_t i = 0; i < results.at("servers").size(); ++i) {
      found.servers.push_back(
          read_server(results.at("servers").at(i), times.at("servers").at(i), machines));
    }
  });
  return found;
}

}  // namespace crayon
