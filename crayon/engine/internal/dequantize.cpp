#include "crayon/engine/internal/dequantize.h"

#include <fmt/format.h>
#include <ggml.h>
#include <gguf.h>

#include <cstring>
#include <fstream>
#include <memory>

#include "crayon/base/error.h"

namespace crayon::internal {
namespace {

struct FreeGguf {
  void operator()(gguf_context* p) const noexcept { gguf_free(p); }
};

/// Where a tensor's bytes begin in the file, as ggml reads its header.
std::uint64_t file_offset(const std::filesystem::path& file, const GgufTensor& tensor) {
  const std::unique_ptr<gguf_context, FreeGguf> header(
      gguf_init_from_file(file.c_str(), {.no_alloc = true, .ctx = nullptr}));
  const auto id = header ? gguf_find_tensor(header.get(), tensor.name.c_str()) : -1;
  if (id < 0 || gguf_get_tensor_size(header.get(), id) != tensor.bytes) {
    throw Error(ErrorCode::CorruptFile,
                fmt::format("{}: no tensor '{}' of {} bytes any more; open the model again",
                            file.string(), tensor.name, tensor.bytes));
  }
  return gguf_get_data_offset(header.get()) + gguf_get_tensor_offset(header.get(), id);
}

std::vector<std::byte> read_bytes(const std::filesystem::path& file, std::uint64_t offset,
                                  std::uint64_t bytes) {
  std::vector<std::byte> data(bytes);
  std::ifstream in(file, std::ios::binary);
  in.seekg(static_cast<std::streamoff>(offset));
  in.read(reinterpret_cast<char*>(data.data()), static_cast<std::streamsize>(bytes));
  if (!in) {
    throw Error(ErrorCode::Unavailable,
                fmt::format("{}: cannot read {} bytes at {}", file.string(), bytes, offset));
  }
  return data;
}

}  // namespace

std::vector<float> read_dequantized(const std::filesystem::path& file, const GgufTensor& tensor) {
  const auto type = static_cast<ggml_type>(tensor.ggml_type);
  const ggml_type_traits* traits = type < GGML_TYPE_COUNT ? ggml_get_type_traits(type) : nullptr;
  if (traits == nullptr || (traits->to_float == nullptr && type != GGML_TYPE_F32)) {
    throw Error(ErrorCode::Unsupported,
                fmt::format("{}: tensor '{}' has ggml type {}, which has no way to float; use a "
                            "model in f32, f16 or one of ggml's block quantisations",
                            file.string(), tensor.name, tensor.ggml_type));
  }
  const auto bytes = read_bytes(file, file_offset(file, tensor), tensor.bytes);
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
