#include <algorithm>

#include "crayon/base/bytes.h"
#include "crayon/formats/gguf.h"
#include "crayon/formats/internal/ggml_types.h"
#include "crayon/formats/internal/gguf_parser.h"
#include "crayon/formats/internal/messages.h"

namespace crayon {
namespace {

constexpr std::string_view kFirstKey = "general.architecture";  // as llama.cpp's own writers do

void put_text(ByteWriter& out, std::string_view text) {
  out.write(static_cast<std::uint64_t>(text.size()));
  out.append(text);
}

void put_kind(ByteWriter& out, GgufKind kind) { out.write(static_cast<std::uint32_t>(kind)); }

/// Which GGUF kind each C++ type is written as.
constexpr GgufKind kind_of(bool) { return GgufKind::Bool; }
constexpr GgufKind kind_of(std::int32_t) { return GgufKind::I32; }
constexpr GgufKind kind_of(std::int64_t) { return GgufKind::I64; }
constexpr GgufKind kind_of(std::uint64_t) { return GgufKind::U64; }
constexpr GgufKind kind_of(float) { return GgufKind::F32; }
constexpr GgufKind kind_of(double) { return GgufKind::F64; }
GgufKind kind_of(const std::string&) { return GgufKind::String; }

template <typename T>
void put_item(ByteWriter& out, const T& item) {
  if constexpr (std::is_same_v<T, std::string>) {
    put_text(out, item);
  } else {
    out.write(item);
  }
}

template <typename T>
void put_array(ByteWriter& out, const std::vector<T>& items) {
  put_kind(out, GgufKind::Array);
  put_kind(out, kind_of(T{}));
  out.write(static_cast<std::uint64_t>(items.size()));
  for (const T& item : items) put_item(out, item);
}

void put_value(ByteWriter& out, const GgufValue& value) {
  std::visit(
      [&](const auto& v) {
        if constexpr (std::is_same_v<std::decay_t<decltype(v)>, GgufArray>) {
          std::visit([&](const auto& items) { put_array(out, items); }, v);
        } else {
          put_kind(out, kind_of(v));
          put_item(out, v);
        }
      },
      value);
}

Error bad_tensor(const std::string& name, const std::string& what) {
  return {ErrorCode::InvalidArgument, fmt::format("tensor {}: {}", in_quotes(name), what)};
}

}  // namespace

void GgufWriter::forget(const std::string& key) {
  if (key.empty() || key == "general.alignment") {
    throw Error(
        ErrorCode::InvalidArgument,
        fmt::format("GGUF key {}: cannot be set; expected a name of your own", in_quotes(key)));
  }
  metadata_.erase(key);
  u32_.erase(key);
  i32_arrays_.erase(key);
}

void GgufWriter::set(const std::string& key, GgufValue value) {
  forget(key);
  metadata_[key] = std::move(value);
}

void GgufWriter::set_u32(const std::string& key, std::uint32_t value) {
  forget(key);
  u32_[key] = value;
}

void GgufWriter::set_i32_array(const std::string& key, std::vector<std::int32_t> values) {
  forget(key);
  i32_arrays_[key] = std::move(values);
}

void GgufWriter::add(const std::string& name, std::vector<std::uint64_t> shape, TensorType type,
                     std::span<const float> values) {
  if (name.empty() || name.size() > kMaxTensorName) {
    throw bad_tensor(name, fmt::format("has a name of {} bytes, expected 1 to {}; shorten it",
                                       name.size(), kMaxTensorName));
  }
  if (std::any_of(tensors_.begin(), tensors_.end(),
                  [&](const Pending& tensor) { return tensor.info.name == name; })) {
    throw bad_tensor(name, "is added twice; give each tensor its own name");
  }
  std::uint64_t items = 1;
  for (const auto dim : shape) items = checked_mul(items, dim, name);
  if (shape.size() > 4 || items != values.size()) {
    throw bad_tensor(name,
                     fmt::format("shape [{}] needs {} numbers in at most 4 dimensions, got {}",
                                 fmt::join(shape, ", "), items, values.size()));
  }
  const GgmlType& ggml = *find_ggml_type(ggml_number(type));
  const std::uint64_t row = shape.empty() ? 1 : shape.back();
  if (row % ggml.block_items != 0) {
    throw bad_tensor(name, fmt::format("rows of {} numbers do not fit {}, expected a multiple of "
                                       "{}; use f16",
                                       row, ggml.name, ggml.block_items));
  }
  Pending pending;
  pending.data = encode_floats(type, values);
  pending.info = {name, std::move(shape), ggml.number, 0, pending.data.size()};
  tensors_.push_back(std::move(pending));
}

std::vector<std::byte> GgufWriter::finish() const {
  std::map<std::string, std::vector<std::byte>> entries;  // each key's kind and value as bytes
  const auto entry = [&](const std::string& key, const auto& put) {
    ByteWriter out;
    put(out);
    entries[key] = std::move(out.bytes());
  };
  for (const auto& [key, value] : metadata_) {
    entry(key, [&v = value](ByteWriter& out) { put_value(out, v); });
  }
  for (const auto& [key, value] : u32_) {
    entry(key, [v = value](ByteWriter& out) {
      put_kind(out, GgufKind::U32);
      out.write(v);
    });
  }
  for (const auto& [key, values] : i32_arrays_) {
    entry(key, [&v = values](ByteWriter& out) { put_array(out, v); });
  }

  ByteWriter out;
  out.append(std::string_view("GGUF"));
  out.write(std::uint32_t{3});
  out.write(static_cast<std::uint64_t>(tensors_.size()));
  out.write(static_cast<std::uint64_t>(entries.size()));
  const auto put_entry = [&](const std::string& key, const std::vector<std::byte>& bytes) {
    put_text(out, key);
    out.append(bytes);
  };
  const auto first = entries.find(std::string(kFirstKey));
  if (first != entries.end()) put_entry(first->first, first->second);
  for (const auto& [key, bytes] : entries) {
    if (key != kFirstKey) put_entry(key, bytes);
  }
  put_tensors(out);
  return std::move(out.bytes());
}

void GgufWriter::put_tensors(ByteWriter& out) const {
  std::uint64_t offset = 0;
  for (const Pending& tensor : tensors_) {
    put_text(out, tensor.info.name);
    out.write(static_cast<std::uint32_t>(tensor.info.shape.size()));
    for (auto dim = tensor.info.shape.rbegin(); dim != tensor.info.shape.rend(); ++dim) {
      out.write(*dim);
    }
    out.write(tensor.info.ggml_type);
    out.write(offset);
    offset += (tensor.info.bytes + kGgufAlignment - 1) / kGgufAlignment * kGgufAlignment;
  }
  for (const Pending& tensor : tensors_) {
    out.pad_to(kGgufAlignment);
    out.append(tensor.data);
  }
  out.pad_to(kGgufAlignment);
}

}  // namespace crayon
