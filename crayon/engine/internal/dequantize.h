// Weights of a model's file as float. llama.cpp gives no access to loaded tensors, and repacks
// some.
#pragma once

#include <vector>

#include "crayon/formats/gguf.h"

namespace crayon::internal {

/// Numbers of one tensor of an open GGUF, row-major, of any type that ggml knows.
/// @throws Error Unsupported  a type that ggml cannot turn into float; and as Gguf::read_bytes
[[nodiscard]] std::vector<float> read_dequantized(const Gguf& gguf, const GgufTensor& tensor);

}  // namespace crayon::internal
