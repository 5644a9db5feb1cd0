// What llama.cpp takes for granted of a model's GGUF, and ends the program over where it does not
// hold: checked before it sees the file.
#pragma once

#include <string>
#include <vector>

#include "crayon/formats/base_model.h"
#include "crayon/formats/gguf.h"

namespace crayon {

inline constexpr int kMostModelLayers = 512;  ///< llama.cpp's LLAMA_MAX_LAYERS.

/// @param model  the sizes that were read from `gguf`;  @param tokens  its vocabulary
/// @throws Error CorruptFile, Unsupported
void check_model(const Gguf& gguf, const BaseModel& model, const std::vector<std::string>& tokens);

}  // namespace crayon
