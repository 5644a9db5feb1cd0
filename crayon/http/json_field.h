// Reading JSON of the API, whatever JSON library it is in: this header includes none.
#pragma once

namespace crayon {

/// The field, or null when it is missing or null, or when `object` is none.
template <typename Json>
[[nodiscard]] const Json& json_field(const Json& object, const char* name) {
  static const Json null;
  if (!object.is_object()) return null;
  const auto found = object.find(name);
  return found == object.end() ? null : *found;
}

}  // namespace crayon
