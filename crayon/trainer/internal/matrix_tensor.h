// Matrix to torch tensor and back.
#pragma once

#include <torch/types.h>

#include "crayon/base/matrix.h"

namespace crayon {

/// A copy, f32 [rows, cols].
[[nodiscard]] torch::Tensor to_torch(const Matrix& matrix, torch::Device device = torch::kCPU);
/// A copy as float, wherever the tensor is and with or without a gradient.
/// @param tensor  of two dimensions
[[nodiscard]] Matrix to_matrix(const torch::Tensor& tensor);

}  // namespace crayon
