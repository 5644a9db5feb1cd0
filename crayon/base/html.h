// Text as HTML and SVG show it.
#pragma once

#include <string>
#include <string_view>

namespace crayon {

/// In elements and in quoted attributes.
[[nodiscard]] std::string escaped(std::string_view text);

}  // namespace crayon
