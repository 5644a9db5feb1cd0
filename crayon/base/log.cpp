#include "crayon/base/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

namespace crayon {
namespace {

spdlog::logger& logger() {
  static const auto instance = [] {
    auto made = spdlog::stderr_logger_mt("crayon");
    made->set_pattern("crayon: %v");
    made->set_level(spdlog::level::info);
    return made;
  }();
  return *instance;
}

}  // namespace

void set_log_level(LogLevel level) {
  switch (level) {
    case LogLevel::Quiet:
      return logger().set_level(spdlog::level::err);
    case LogLevel::Warning:
      return logger().set_level(spdlog::level::warn);
    case LogLevel::Info:
      return logger().set_level(spdlog::level::info);
    case LogLevel::Debug:
      return logger().set_level(spdlog::level::debug);
  }
}

void log_warning(const std::string& message) { logger().warn("warning: {}", message); }
void log_info(const std::string& message) { logger().info("{}", message); }
void log_debug(const std::string& message) { logger().debug("{}", message); }

}  // namespace crayon
