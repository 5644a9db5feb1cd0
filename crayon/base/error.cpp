#include "crayon/base/error.h"

#include <array>

namespace crayon {

const ErrorCodeInfo& info(ErrorCode code) noexcept {
  static constexpr std::array<ErrorCodeInfo, 6> kTable{{
      {"invalid_argument", 2, 400},
      {"not_found", 3, 404},
      {"incompatible", 4, 409},
      {"corrupt_file", 5, 422},
      {"unsupported", 6, 501},
      {"unavailable", 7, 503},
  }};
  return kTable[static_cast<std::size_t>(code)];
}

}  // namespace crayon
