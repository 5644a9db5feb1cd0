// The pieces that pool.json and task files share, to JSON and back.
#pragma once

#include "crayon/formats/base_model.h"
#include "crayon/formats/internal/json.h"
#include "crayon/prompt/prompt.h"
#include "crayon/router/router.h"

namespace crayon {

[[nodiscard]] Json to_json(const BaseModel& base);
[[nodiscard]] Json to_json(const PromptFormat& prompt);
[[nodiscard]] Json to_json(const Calibration& calibration);

/// @throws Error CorruptFile  as JsonObject; Unsupported: a newer prompt format
[[nodiscard]] BaseModel read_base(const JsonObject& object);
[[nodiscard]] PromptFormat read_prompt(const JsonObject& object);
[[nodiscard]] Calibration read_calibration(const JsonObject& object);

}  // namespace crayon
