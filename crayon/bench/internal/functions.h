// The methods and filters of templates.
#pragma once

#include <span>
#include <string_view>

#include "crayon/bench/internal/template.h"

namespace crayon {

struct TemplateFunction {
  std::string_view name;
  bool is_filter = false;  ///< x|name, otherwise x.name(...)
  std::size_t n_args = 0;
  /// @throws Error InvalidArgument  a value of another kind; Unsupported
  Json (*call)(const Json& self, std::span<const Json> args) = nullptr;
};

/// @throws Error Unsupported  no such function or another number of arguments; the known are listed
[[nodiscard]] const TemplateFunction& find_function(std::string_view name, bool is_filter,
                                                    std::size_t n_args);

/// "a text", "a list" and so on, for messages.
[[nodiscard]] std::string_view kind_of(const Json& value);

}  // namespace crayon
