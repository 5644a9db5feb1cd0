// Time that has passed, for what is told to users and written into reports.
#pragma once

#include <chrono>

namespace crayon {

[[nodiscard]] inline double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace crayon
