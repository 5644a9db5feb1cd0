#include "crayon/formats/gguf.h"

#include <algorithm>
#include <array>
#include <utility>

#include "crayon/formats/internal/ggml_types.h"
#include "crayon/formats/internal/gguf_parser.h"
#include "crayon/formats/internal/gguf_source.h"
#include "crayon/formats/internal/messages.h"

namespace crayon {
namespace {

constexpr std::array<std::pair<std::string_view, TensorType>, 4> kTensorTypes{{
    {"f32", TensorType::F32},
    {"f16", TensorType::F16},
    {"bf16", TensorType::BF16},
    {"q8_0", TensorType::Q8},
}};

const GgufValue& value_of(const Gguf& gguf, const std::string& key) {
  const auto found = gguf.metadata().find(key);
  if (found == gguf.metadata().end())
    throw corrupt(gguf.file(), "lacks the key {}", in_quotes(key));
  return found->second;
}

Error wrong_kind(const Gguf& gguf, const std::string& key, std::string_view expected) {
  return corrupt(gguf.file(), "key {} is of another kind, expected {}", in_quotes(key), expected);
}

}  // namespace

TensorType parse_tensor_type(const std::string& name) {
  for (const auto& [known, type] : kTensorTypes) {
    if (known == name) return type;
  }
  throw Error(
      ErrorCode::InvalidArgument,
      fmt::format("number type {}: unknown; expected f32, f16, bf16 or q8_0", in_quotes(name)));
}

std::string to_string(TensorType type) {
  for (const auto& [name, known] : kTensorTypes) {
    if (known == type) return std::string(name);
  }
  return "f32";
}

TensorType tensor_type(const GgufTensor& tensor) {
  for (const auto& [name, type] : kTensorTypes) {
    if (ggml_number(type) == tensor.ggml_type) return type;
  }
  throw Error(ErrorCode::Unsupported,
              fmt::format("tensor {} has ggml's number type {}; expected f32, f16, bf16 or q8_0",
                          in_quotes(tensor.name), tensor.ggml_type));
}

Gguf Gguf::open(const std::filesystem::path& path, const GgufLimits& limits) {
  auto input = std::make_shared<const InputFile>(path);
  GgufSource source(*input, path.string());
  GgufHeader header = parse_gguf_header(source, limits);
  Gguf gguf;
  gguf.file_ = path.string();
  gguf.input_ = std::move(input);
  gguf.metadata_ = std::move(header.metadata);
  gguf.tensors_ = std::move(header.tensors);
  gguf.data_offset_ = header.data_offset;
  return gguf;
}

Gguf Gguf::parse(std::vector<std::byte> bytes, const std::string& file, const GgufLimits& limits) {
  Gguf gguf;
  gguf.file_ = file;
  gguf.memory_ = std::make_shared<const std::vector<std::byte>>(std::move(bytes));
  GgufSource source(*gguf.memory_, file);
  GgufHeader header = parse_gguf_header(source, limits);
  gguf.metadata_ = std::move(header.metadata);
  gguf.tensors_ = std::move(header.tensors);
  gguf.data_offset_ = header.data_offset;
  return gguf;
}

const GgufTensor* Gguf::find(const std::string& name) const {
  const auto found = std::find_if(tensors_.begin(), tensors_.end(),
                                  [&](const GgufTensor& tensor) { return tensor.name == name; });
  return found == tensors_.end() ? nullptr : &*found;
}

bool Gguf::has(const std::string& key) const { return metadata_.count(key) != 0; }

std::string Gguf::text(const std::string& key) const {
  const auto* text = std::get_if<std::string>(&value_of(*this, key));
  if (text == nullptr) throw wrong_kind(*this, key, "a text");
  return *text;
}

std::uint64_t Gguf::number(const std::string& key) const {
  const GgufValue& value = value_of(*this, key);
  if (const auto* n = std::get_if<std::uint64_t>(&value)) return *n;
  const auto* n = std::get_if<std::int64_t>(&value);
  if (n == nullptr || *n < 0) throw wrong_kind(*this, key, "an integer of at least 0");
  return static_cast<std::uint64_t>(*n);
}

double Gguf::real(const std::string& key) const {
  const GgufValue& value = value_of(*this, key);
  if (const auto* x = std::get_if<float>(&value)) return *x;
  if (const auto* x = std::get_if<double>(&value)) return *x;
  if (const auto* x = std::get_if<std::uint64_t>(&value)) return static_cast<double>(*x);
  if (const auto* x = std::get_if<std::int64_t>(&value)) return static_cast<double>(*x);
  throw wrong_kind(*this, key, "a number");
}

std::vector<float> Gguf::floats(const std::string& key) const {
  const auto* array = std::get_if<GgufArray>(&value_of(*this, key));
  if (array != nullptr) {
    if (const auto* values = std::get_if<std::vector<float>>(array)) return *values;
    if (const auto* values = std::get_if<std::vector<double>>(array)) {
      std::vector<float> narrow;
      for (const double x : *values) narrow.push_back(static_cast<float>(x));
      return narrow;
    }
  }
  throw wrong_kind(*this, key, "an array of floating-point numbers");
}

std::vector<std::string> Gguf::texts(const std::string& key) const {
  const auto* array = std::get_if<GgufArray>(&value_of(*this, key));
  const auto* values = array == nullptr ? nullptr : std::get_if<std::vector<std::string>>(array);
  if (values == nullptr) throw wrong_kind(*this, key, "an array of texts");
  return *values;
}

std::vector<std::byte> Gguf::read_bytes(const GgufTensor& tensor) const {
  const std::uint64_t begin = data_offset_ + tensor.offset;
  if (memory_) {
    const auto bytes = std::span(*memory_).subspan(begin, tensor.bytes);
    return {bytes.begin(), bytes.end()};
  }
  std::vector<std::byte> bytes(tensor.bytes);
  input_->read(begin, bytes);
  return bytes;
}

std::vector<float> Gguf::read_floats(const GgufTensor& tensor) const {
  if (!is_readable(tensor.ggml_type)) {
    const GgmlType* type = find_ggml_type(tensor.ggml_type);
    throw file_error(ErrorCode::Unsupported, file_,
                     "tensor {} has number type {}, expected F32, F16, BF16 or Q8_0; convert it",
                     in_quotes(tensor.name), type != nullptr ? type->name : "unknown");
  }
  if (!memory_) return decode_floats(tensor.ggml_type, read_bytes(tensor));
  const auto bytes = std::span(*memory_).subspan(data_offset_ + tensor.offset, tensor.bytes);
  return decode_floats(tensor.ggml_type, bytes);
}

}  // namespace crayon
