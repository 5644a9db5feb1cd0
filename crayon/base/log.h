// What Crayon says beside its results: lines on standard error. No text of the user's examples or
// prompts is ever logged.
#pragma once

#include <string>

namespace crayon {

enum class LogLevel { Quiet, Warning, Info, Debug };

void set_log_level(LogLevel level);
void log_warning(const std::string& message);
void log_info(const std::string& message);
void log_debug(const std::string& message);

}  // namespace crayon
