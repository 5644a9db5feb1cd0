// gate.safetensors: keys [N, m], mean [d], projection [m, d], reference [n, m] as tensors; the few
// single numbers as metadata, printed so that they read back bit for bit. Format 2 has even shares
// [N] too, format 3 the shared adapter's least weight and perhaps even shares.
#include <charconv>

#include "crayon/formats/internal/messages.h"
#include "crayon/formats/pool_manifest.h"
#include "crayon/formats/safetensors.h"

namespace crayon {
namespace {

constexpr std::string_view kFormat = "crayon-gate-1";
/// With even shares, which a program that knows the first format alone would pass over.
constexpr std::string_view kFormatWithEven = "crayon-gate-2";
/// With a weight of the shared adapter that is not always 1.
constexpr std::string_view kFormatWithLeast = "crayon-gate-3";

std::string_view format_of(const Gate& gate) {
  if (gate.shared_least != 1) return kFormatWithLeast;
  return gate.even.empty() ? kFormat : kFormatWithEven;
}

NamedTensor to_tensor(const Matrix& matrix) { return {{matrix.rows, matrix.cols}, matrix.data}; }

NamedTensor& tensor_of(Safetensors& file, const char* name, std::size_t n_dims,
                       const std::string& path) {
  const auto found = file.tensors.find(name);
  if (found == file.tensors.end()) throw corrupt(path, "lacks the tensor '{}'", name);
  if (found->second.shape.size() != n_dims) {
    throw corrupt(path, "tensor '{}' has {} dimensions, expected {}", name,
                  found->second.shape.size(), n_dims);
  }
  return found->second;
}

Matrix matrix_of(Safetensors& file, const char* name, const std::string& path) {
  NamedTensor& tensor = tensor_of(file, name, 2, path);
  Matrix matrix;
  matrix.rows = tensor.shape[0];
  matrix.cols = tensor.shape[1];
  matrix.data = std::move(tensor.data);
  return matrix;
}

const std::string& entry_of(const Safetensors& file, const char* key, const std::string& path) {
  const auto found = file.metadata.find(key);
  if (found == file.metadata.end()) throw corrupt(path, "lacks the metadata '{}'", key);
  return found->second;
}

template <typename T>
T number_of(const Safetensors& file, const char* key, const std::string& path) {
  const std::string& text = entry_of(file, key, path);
  T value{};
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end) {
    throw corrupt(path, "metadata '{}' is {}, expected a number", key, in_quotes(text));
  }
  return value;
}

}  // namespace

Gate parse_gate(std::span<const std::byte> bytes, const std::string& file) {
  Safetensors tensors = read_safetensors(bytes, file);
  const std::string& format = entry_of(tensors, "format", file);
  if (format != kFormat && format != kFormatWithEven && format != kFormatWithLeast) {
    throw file_error(ErrorCode::Unsupported, file,
                     "has gate format {}, this program knows '{}', '{}' and '{}'; update crayon",
                     in_quotes(format), kFormat, kFormatWithEven, kFormatWithLeast);
  }
  Gate gate;
  gate.embedding.layer = number_of<int>(tensors, "layer", file);
  gate.temperature = number_of<float>(tensors, "temperature", file);
  gate.max_tilt = number_of<float>(tensors, "max_tilt", file);
  gate.modulated = number_of<int>(tensors, "modulated", file) != 0;
  gate.keys = matrix_of(tensors, "keys", file);
  gate.whitening.mean = std::move(tensor_of(tensors, "mean", 1, file).data);
  gate.whitening.projection = matrix_of(tensors, "projection", file);
  if (tensors.tensors.count("reference") != 0) {
    gate.reference = matrix_of(tensors, "reference", file);
  }
  const bool has_even = tensors.tensors.count("even") != 0;
  if (format == kFormatWithEven || (format == kFormatWithLeast && has_even)) {
    gate.even = std::move(tensor_of(tensors, "even", 1, file).data);
  }
  if (format == kFormatWithLeast) {
    gate.shared_least = number_of<float>(tensors, "shared_least", file);
  }
  try {
    gate.embedding.pooling = parse_pooling(entry_of(tensors, "pooling", file));
    check_gate(gate);
  } catch (const Error& error) {
    if (error.code() == ErrorCode::CorruptFile) throw;
    throw corrupt(file, "{}", error.what());
  }
  return gate;
}

std::vector<std::byte> write_gate(const Gate& gate) {
  check_gate(gate);
  Safetensors file;
  file.metadata = {{"format", std::string(format_of(gate))},
                   {"layer", fmt::to_string(gate.embedding.layer)},
                   {"pooling", to_string(gate.embedding.pooling)},
                   {"temperature", fmt::format("{}", gate.temperature)},
                   {"max_tilt", fmt::format("{}", gate.max_tilt)},
                   {"modulated", gate.modulated ? "1" : "0"}};
  if (gate.shared_least != 1) {
    file.metadata["shared_least"] = fmt::format("{}", gate.shared_least);
  }
  file.tensors["keys"] = to_tensor(gate.keys);
  file.tensors["mean"] = {{gate.whitening.mean.size()}, gate.whitening.mean};
  file.tensors["projection"] = to_tensor(gate.whitening.projection);
  if (gate.reference.rows > 0) file.tensors["reference"] = to_tensor(gate.reference);
  if (!gate.even.empty()) file.tensors["even"] = {{gate.even.size()}, gate.even};
  return write_safetensors(file);
}

}  // namespace crayon
