// The files of page/ and Chart.js, compiled in by the build.
#pragma once

#include <string>

namespace crayon {

[[nodiscard]] std::string page_frame();     ///< Of every page, with the places {{name}}.
[[nodiscard]] std::string page_template();  ///< What stands in it.
[[nodiscard]] std::string page_style();
[[nodiscard]] std::string page_script();
[[nodiscard]] std::string chart_script();
[[nodiscard]] std::string route_template();  ///< The same of `bench route`.
[[nodiscard]] std::string route_script();

}  // namespace crayon
