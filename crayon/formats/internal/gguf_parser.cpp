#include "crayon/formats/internal/gguf_parser.h"

#include <algorithm>
#include <bit>
#include <set>

#include "crayon/base/bytes.h"
#include "crayon/formats/internal/ggml_types.h"
#include "crayon/formats/internal/messages.h"

namespace crayon {
namespace {

constexpr std::string_view kMagic = "GGUF";
constexpr std::uint32_t kMaxDims = 4;
constexpr std::uint64_t kMostItems = INT64_MAX;
/// The least bytes that a key with a value, and a tensor entry, take: counts are checked by them.
constexpr std::uint64_t kLeastKeyBytes = 8 + 1 + 4 + 1;
constexpr std::uint64_t kLeastTensorBytes = 8 + 4 + 4 + 8;

std::uint64_t kind_bytes(GgufKind kind) {
  switch (kind) {
    case GgufKind::U8:
    case GgufKind::I8:
    case GgufKind::Bool:
      return 1;
    case GgufKind::U16:
    case GgufKind::I16:
      return 2;
    case GgufKind::U32:
    case GgufKind::I32:
    case GgufKind::F32:
      return 4;
    case GgufKind::U64:
    case GgufKind::I64:
    case GgufKind::F64:
    case GgufKind::String:  // its length; the text comes on top
      return 8;
    case GgufKind::Array:
      break;
  }
  return 0;
}

class Parser {
 public:
  Parser(GgufSource& source, const GgufLimits& limits) : source_(source), limits_(limits) {}

  GgufHeader parse() {
    read_start();
    const auto n_tensors = count("tensors", limits_.max_tensors, kLeastTensorBytes);
    const auto n_keys = count("metadata keys", limits_.max_metadata, kLeastKeyBytes);
    for (std::uint64_t i = 0; i < n_keys; ++i) read_key();
    std::set<std::string> names;
    for (std::uint64_t i = 0; i < n_tensors; ++i) {
      read_tensor();
      if (!names.insert(header_.tensors.back().name).second) {
        throw corrupt(file(), "tensor {} is there twice", in_quotes(header_.tensors.back().name));
      }
    }
    check_data();
    return std::move(header_);
  }

 private:
  const std::string& file() const { return source_.file(); }

  void read_start() {
    const std::string magic = source_.text(std::min<std::uint64_t>(4, source_.left()));
    if (magic != kMagic) {
      throw corrupt(file(), "starts with {}, a GGUF file starts with 'GGUF'", in_quotes(magic));
    }
    const auto version = source_.read<std::uint32_t>();
    if ((version & 0xffffu) == 0 && version != 0) {
      throw file_error(ErrorCode::Unsupported, file(),
                       "is a big-endian GGUF file, expected little-endian; convert it");
    }
    if (version != 2 && version != 3) {
      throw file_error(ErrorCode::Unsupported, file(),
                       "has GGUF version {}, expected 2 or 3; convert it anew", version);
    }
  }

  std::uint64_t count(std::string_view what, std::uint64_t most, std::uint64_t least_bytes) {
    const auto n = source_.read<std::uint64_t>();
    if (n > most || n > source_.left() / least_bytes) {
      throw corrupt(file(), "claims {} {}, but has {} bytes left and may have at most {}", n, what,
                    source_.left(), most);
    }
    return n;
  }

  std::string read_string(std::string_view what) {
    const auto size = source_.read<std::uint64_t>();
    if (size > limits_.max_string_bytes || size > source_.left()) {
      throw corrupt(file(), "{} at byte {} claims {} bytes, {} are left and at most {} are taken",
                    what, source_.offset() - 8, size, source_.left(), limits_.max_string_bytes);
    }
    return source_.text(size);
  }

  GgufKind read_kind(const std::string& key) {
    const auto number = source_.read<std::uint32_t>();
    if (number > static_cast<std::uint32_t>(GgufKind::F64)) {
      throw corrupt(file(), "key {} has value type {}, expected 0 to 12", in_quotes(key), number);
    }
    return static_cast<GgufKind>(number);
  }

  void read_key() {
    std::string key = read_string("a key");
    if (key.empty()) throw corrupt(file(), "has an empty key before byte {}", source_.offset());
    const GgufKind kind = read_kind(key);
    GgufValue value = kind == GgufKind::Array ? GgufValue(read_array(key)) : read_scalar(key, kind);
    if (key == "general.alignment") {
      // llama.cpp takes it as uint32 only
      const auto* n = std::get_if<std::uint64_t>(&value);
      if (kind != GgufKind::U32 || !std::has_single_bit(*n)) {
        throw corrupt(file(), "general.alignment is {}, expected a uint32 power of two",
                      n != nullptr ? fmt::to_string(*n) : "of another type");
      }
      alignment_ = *n;
    }
    if (!header_.metadata.emplace(key, std::move(value)).second) {
      throw corrupt(file(), "key {} is there twice", in_quotes(key));
    }
  }

  bool read_bool(const std::string& key) {
    const auto byte = source_.read<std::uint8_t>();
    if (byte > 1)
      throw corrupt(file(), "key {} has bool {}, expected 0 or 1", in_quotes(key), byte);
    return byte == 1;
  }

  GgufValue read_scalar(const std::string& key, GgufKind kind) {
    switch (kind) {
      case GgufKind::Bool:
        return read_bool(key);
      case GgufKind::F32:
        return source_.read<float>();
      case GgufKind::F64:
        return source_.read<double>();
      case GgufKind::String:
        return read_string("key " + in_quotes(key));
      case GgufKind::I8:
      case GgufKind::I16:
      case GgufKind::I32:
      case GgufKind::I64:
        return read_signed(kind);
      default:
        return read_unsigned(kind);
    }
  }

  std::int64_t read_signed(GgufKind kind) {
    if (kind == GgufKind::I8) return source_.read<std::int8_t>();
    if (kind == GgufKind::I16) return source_.read<std::int16_t>();
    if (kind == GgufKind::I32) return source_.read<std::int32_t>();
    return source_.read<std::int64_t>();
  }

  std::uint64_t read_unsigned(GgufKind kind) {
    if (kind == GgufKind::U8) return source_.read<std::uint8_t>();
    if (kind == GgufKind::U16) return source_.read<std::uint16_t>();
    if (kind == GgufKind::U32) return source_.read<std::uint32_t>();
    return source_.read<std::uint64_t>();
  }

  template <typename T, typename Read>
  GgufArray read_items(std::uint64_t n, Read read) {
    std::vector<T> items;
    items.reserve(n);
    for (std::uint64_t i = 0; i < n; ++i) items.push_back(read());
    return items;
  }

  GgufArray read_array(const std::string& key) {
    const GgufKind kind = read_kind(key);
    const auto n = source_.read<std::uint64_t>();
    if (kind == GgufKind::Array) {
      throw file_error(ErrorCode::Unsupported, file(),
                       "key {} is an array of arrays, which is not read; leave it out",
                       in_quotes(key));
    }
    if (n > limits_.max_array_items || n > source_.left() / kind_bytes(kind)) {
      throw corrupt(file(),
                    "key {} claims {} items, but {} bytes are left and at most {} are taken",
                    in_quotes(key), n, source_.left(), limits_.max_array_items);
    }
    switch (kind) {
      case GgufKind::F32:
        return read_items<float>(n, [&] { return source_.read<float>(); });
      case GgufKind::F64:
        return read_items<double>(n, [&] { return source_.read<double>(); });
      case GgufKind::String:
        return read_items<std::string>(
            n, [&, what = "key " + in_quotes(key)] { return read_string(what); });
      case GgufKind::I8:
      case GgufKind::I16:
      case GgufKind::I32:
      case GgufKind::I64:
        return read_items<std::int64_t>(n, [&] { return read_signed(kind); });
      case GgufKind::Bool:
        return read_items<std::uint64_t>(n, [&] { return std::uint64_t{read_bool(key)}; });
      default:
        return read_items<std::uint64_t>(n, [&] { return read_unsigned(kind); });
    }
  }

  void read_tensor() {
    GgufTensor tensor;
    tensor.name = read_string("a tensor's name");
    if (tensor.name.empty() || tensor.name.size() > kMaxTensorName) {
      throw corrupt(file(), "has a tensor name of {} bytes, expected 1 to {}", tensor.name.size(),
                    kMaxTensorName);
    }
    const auto n_dims = source_.read<std::uint32_t>();
    if (n_dims > kMaxDims) {
      throw corrupt(file(), "tensor {} has {} dimensions, expected at most {}",
                    in_quotes(tensor.name), n_dims, kMaxDims);
    }
    tensor.shape.resize(n_dims);
    for (auto dim = tensor.shape.rbegin(); dim != tensor.shape.rend(); ++dim) {
      *dim = source_.read<std::uint64_t>();  // ggml's first dimension is our last
    }
    tensor.ggml_type = source_.read<std::uint32_t>();
    tensor.offset = source_.read<std::uint64_t>();
    tensor.bytes = tensor_bytes(tensor);
    header_.tensors.push_back(std::move(tensor));
  }

  std::uint64_t tensor_bytes(const GgufTensor& tensor) {
    const GgmlType* type = find_ggml_type(tensor.ggml_type);
    if (type == nullptr) {
      throw file_error(ErrorCode::Unsupported, file(),
                       "tensor {} has ggml type {}, which this version does not know; quantise it "
                       "to a common type such as Q8_0",
                       in_quotes(tensor.name), tensor.ggml_type);
    }
    std::uint64_t items = 1;
    for (const auto dim : tensor.shape) items = checked_mul(items, dim, file());
    const std::uint64_t row = tensor.shape.empty() ? 1 : tensor.shape.back();
    if (items > kMostItems || row % type->block_items != 0) {
      throw corrupt(file(), "tensor {} has rows of {} {} numbers, expected a multiple of {}",
                    in_quotes(tensor.name), row, type->name, type->block_items);
    }
    return checked_mul(items / type->block_items, type->block_bytes, file());
  }

  /// Alignment, order and ends of the tensors' data.
  void check_data() {
    const std::uint64_t here = source_.offset();
    header_.data_offset = checked_add(here, (alignment_ - here % alignment_) % alignment_, file());
    if (header_.tensors.empty()) return;
    const std::uint64_t data_bytes =
        source_.size() < header_.data_offset ? 0 : source_.size() - header_.data_offset;
    std::vector<const GgufTensor*> order;
    for (const GgufTensor& tensor : header_.tensors) {
      if (tensor.offset % alignment_ != 0) {
        throw corrupt(file(), "tensor {} starts at data byte {}, expected a multiple of {}",
                      in_quotes(tensor.name), tensor.offset, alignment_);
      }
      if (checked_add(tensor.offset, tensor.bytes, file()) > data_bytes) {
        throw corrupt(file(), "tensor {} takes data bytes {} to {}, but the file has {}",
                      in_quotes(tensor.name), tensor.offset, tensor.offset + tensor.bytes,
                      data_bytes);
      }
      if (tensor.bytes > 0) order.push_back(&tensor);
    }
    std::sort(order.begin(), order.end(),
              [](const auto* a, const auto* b) { return a->offset < b->offset; });
    for (std::size_t i = 1; i < order.size(); ++i) {
      if (order[i - 1]->offset + order[i - 1]->bytes > order[i]->offset) {
        throw corrupt(file(), "tensors {} and {} overlap at data byte {}",
                      in_quotes(order[i - 1]->name), in_quotes(order[i]->name), order[i]->offset);
      }
    }
  }

  GgufSource& source_;
  const GgufLimits& limits_;
  GgufHeader header_;
  std::uint64_t alignment_ = kGgufAlignment;
};

}  // namespace

GgufHeader parse_gguf_header(GgufSource& source, const GgufLimits& limits) {
  return Parser(source, limits).parse();
}

}  // namespace crayon
