// Weights of a model's file as float. llama.cpp gives no access to loaded tensors, and repacks
// some.
#pragma once

#include <filesystem>
#include <vector>

#include "crayon/formats/gguf.h"

namespace crayon::internal {

/// Numbers of one tensor of an opened and checked GGUF, row-major, of any type that ggml knows.
/// @throws Error CorruptFile  the file changed since; Unsupported: a type that ggml cannot turn
///                            into float; Unavailable: it cannot be read
[[nodiscard]] std::vector<float> read_dequantized(const std::filesystem::path& file,
                                                  const GgufTensor& tensor);

}  // namespace crayon::internal
