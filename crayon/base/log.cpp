#include "crayon/base/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <array>
#include <cstdlib>
#include <string_view>
#include <utility>

namespace crayon {
namespace {

constexpr std::array<std::pair<std::string_view, spdlog::level::level_enum>, 4> kLevels{{
    {"debug", spdlog::level::debug},
    {"info", spdlog::level::info},
    {"warning", spdlog::level::warn},
    {"error", spdlog::level::err},
}};

void set_level_asked_for(spdlog::logger& logger) {
  logger.set_level(spdlog::level::info);
  const char* asked = std::getenv("CRAYON_LOG");
  if (asked == nullptr || *asked == '\0') return;
  for (const auto& [name, level] : kLevels) {
    if (name == asked) return logger.set_level(level);
  }
  logger.warn("warning: CRAYON_LOG is '{}'; expected debug, info, warning or error", asked);
}

spdlog::logger& logger() {
  static const auto instance = [] {
    auto made = spdlog::stderr_logger_mt("crayon");
    made->set_pattern("crayon: %v");
    set_level_asked_for(*made);
    return made;
  }();
  return *instance;
}

}  // namespace

void log_warning(const std::string& message) { logger().warn("warning: {}", message); }
void log_debug(const std::string& message) { logger().debug("{}", message); }

}  // namespace crayon
