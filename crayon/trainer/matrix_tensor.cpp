#include "crayon/trainer/internal/matrix_tensor.h"

#include <algorithm>

namespace crayon {

torch::Tensor to_torch(const Matrix& matrix, torch::Device device) {
  auto* data = const_cast<float*>(matrix.data.data());  // from_blob only reads it here
  return torch::from_blob(
             data, {static_cast<std::int64_t>(matrix.rows), static_cast<std::int64_t>(matrix.cols)},
             torch::kFloat32)
      .clone()
      .to(device);
}

Matrix to_matrix(const torch::Tensor& tensor) {
  const torch::Tensor flat = tensor.detach().to(torch::kCPU, torch::kFloat32).contiguous();
  Matrix matrix(static_cast<std::size_t>(flat.size(0)), static_cast<std::size_t>(flat.size(1)));
  std::copy_n(flat.data_ptr<float>(), matrix.data.size(), matrix.data.begin());
  return matrix;
}

}  // namespace crayon
