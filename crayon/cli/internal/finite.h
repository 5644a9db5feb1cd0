// What flags with a fraction accept. Header only, as `crayon-trainer` links no more of this part.
#pragma once

#include <fmt/format.h>

#include <CLI/TypeTools.hpp>
#include <CLI/Validators.hpp>
#include <cmath>
#include <limits>
#include <string>

namespace crayon {

/// A finite number from `least` to `most`. CLI::Range, and PositiveNumber and the like, which are
/// made of it, let NaN through: no comparison with it is true.
[[nodiscard]] inline CLI::Validator finite_range(double least, double most) {
  const auto refuse = [least, most](const std::string& text) -> std::string {
    double value = 0;
    const bool read = CLI::detail::lexical_cast(text, value);
    if (read && value >= least && value <= most) return {};
    return fmt::format("found '{}', expected a finite number from {:g} to {:g}", text, least, most);
  };
  return {refuse, fmt::format("FLOAT in [{:g} - {:g}]", least, most)};
}

/// Any finite number that a float holds.
[[nodiscard]] inline CLI::Validator finite_number() {
  const auto refuse = [](const std::string& text) -> std::string {
    double value = 0;
    const bool read = CLI::detail::lexical_cast(text, value);
    if (read && std::abs(value) <= std::numeric_limits<float>::max()) return {};
    return fmt::format("found '{}', expected a finite number", text);
  };
  return {refuse, ""};
}

}  // namespace crayon
