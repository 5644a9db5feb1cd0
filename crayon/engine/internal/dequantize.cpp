#include "crayon/engine/internal/dequantize.h"

#include <fmt/format.h>
#include <ggml.h>

#include <cstring>

#include "crayon/base/error.h"

namespace crayon::internal {

std::vector<float> read_dequantized(const Gguf& gguf, const GgufTensor& tensor) {
  const auto type = static_cast<ggml_type>(tensor.ggml_type);
  const ggml_type_traits* traits = type < GGML_TYPE_COUNT ? ggml_get_type_traits(type) : nullptr;
  if (traits == nullptr || (traits->to_float == nullptr && type != GGML_TYPE_F32)) {
    throw Error(ErrorCode::Unsupported,
                fmt::format("{}: tensor '{}' has ggml type {}, which has no way to float; use a "
                            "model in f32, f16 or one of ggml's block quantisations",
                            gguf.file(), tensor.name, tensor.ggml_type));
  }
  const auto bytes = gguf.read_bytes(tensor);
  std::uint64_t count = 1;
  for (const auto dim : tensor.shape) count *= dim;  // checked when the file was opened
  std::vector<float> values(count);
  if (type == GGML_TYPE_F32) {
    std::memcpy(values.data(), bytes.data(), count * sizeof(float));
  } else {
    traits->to_float(bytes.data(), values.data(), static_cast<std::int64_t>(count));
  }
  return values;
}

}  // namespace crayon::internal
