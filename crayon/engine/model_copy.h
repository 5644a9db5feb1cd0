// A model's file with its weights in another number type: some are computed with much faster than
// others, and which ones depends on the processor.
#pragma once

#include <filesystem>

#include "crayon/formats/gguf.h"

namespace crayon {

/// The file with its matrices in `type`, made by llama.cpp at the first call and kept in `folder`
/// (which is made) under a name that says all that it depends on. A wider type than the file's own
/// loses nothing but what its mantissa cannot hold: 8 bits for bf16, 11 for f16.
/// @throws Error Unavailable   the folder cannot be written
/// @throws Error Incompatible  llama.cpp cannot convert this file; its reason is quoted
[[nodiscard]] std::filesystem::path model_copy(const std::filesystem::path& gguf, TensorType type,
                                               const std::filesystem::path& folder);

}  // namespace crayon
