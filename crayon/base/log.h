// What Crayon says beside its results: lines on standard error. The environment's CRAYON_LOG
// (debug, info, warning or error; info when it is not set) is read at the first line. No text of
// the user's examples or prompts is ever logged.
#pragma once

#include <string>

namespace crayon {

void log_warning(const std::string& message);
void log_debug(const std::string& message);

}  // namespace crayon
