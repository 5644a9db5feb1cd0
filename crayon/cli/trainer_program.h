// Where the program crayon-trainer is.
#pragma once

#include <filesystem>

namespace crayon {

inline constexpr const char* kTrainer = "crayon-trainer";

/// Beside our own program, else in PATH; empty when it is nowhere.
[[nodiscard]] std::filesystem::path find_trainer();

}  // namespace crayon
