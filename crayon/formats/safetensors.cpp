#include "crayon/formats/safetensors.h"

#include <algorithm>
#include <array>

#include "crayon/base/bytes.h"
#include "crayon/formats/internal/json.h"
#include "crayon/formats/internal/messages.h"

namespace crayon {
namespace {

constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;  // the limit of the format's own library
constexpr std::uint64_t kHeaderAlignment = 8;
constexpr const char* kMetadata = "__metadata__";

struct Dtype {
  std::string_view name;
  std::uint64_t bytes;
};
constexpr std::array<Dtype, 4> kDtypes{{{"F32", 4}, {"F16", 2}, {"BF16", 2}, {"F64", 8}}};

/// Where a tensor lies in the data part, and how to read it.
struct Entry {
  std::string name;
  Dtype dtype;
  std::vector<std::uint64_t> shape;
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

std::vector<std::uint64_t> sizes(const JsonObject& entry, const char* key) {
  const Json& array = entry.json(key);
  std::vector<std::uint64_t> result;
  if (!array.is_array()) throw entry.wrong(key, "an array of sizes");
  for (const Json& item : array) {
    if (!item.is_number_unsigned()) throw entry.wrong(key, "an array of sizes");
    result.push_back(item.get<std::uint64_t>());
  }
  return result;
}

Dtype dtype_of(const JsonObject& entry, const std::string& tensor) {
  const std::string name = entry.text("dtype");
  for (const Dtype& known : kDtypes) {
    if (known.name == name) return known;
  }
  throw file_error(ErrorCode::Unsupported, entry.file(),
                   "tensor {} has dtype {}, expected F32, F16, BF16 or F64; convert it",
                   in_quotes(tensor), in_quotes(name));
}

Entry read_entry(const std::string& name, const JsonObject& object, std::uint64_t data_bytes) {
  Entry entry{name, dtype_of(object, name), sizes(object, "shape")};
  const auto offsets = sizes(object, "data_offsets");
  if (offsets.size() != 2 || offsets[0] > offsets[1] || offsets[1] > data_bytes) {
    throw corrupt(object.file(),
                  "tensor {} has data_offsets [{}], expected two within {} data bytes",
                  in_quotes(name), fmt::join(offsets, ", "), data_bytes);
  }
  entry.begin = offsets[0];
  entry.end = offsets[1];
  std::uint64_t want = entry.dtype.bytes;
  for (const auto dim : entry.shape) want = checked_mul(want, dim, object.file());
  if (entry.end - entry.begin != want) {
    throw corrupt(object.file(), "tensor {} has {} bytes, its shape [{}] needs {}", in_quotes(name),
                  entry.end - entry.begin, fmt::join(entry.shape, ", "), want);
  }
  return entry;
}

/// The tensors must lie side by side and fill the data part.
void check_cover(std::vector<Entry> entries, std::uint64_t data_bytes, const std::string& file) {
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  std::uint64_t here = 0;
  for (const Entry& entry : entries) {
    if (entry.begin != here) {
      throw corrupt(file, "tensor {} starts at data byte {}, expected {}", in_quotes(entry.name),
                    entry.begin, here);
    }
    here = entry.end;
  }
  if (here != data_bytes) {
    throw corrupt(file, "has {} data bytes, its tensors take {}", data_bytes, here);
  }
}

template <typename T, typename Convert>
std::vector<float> convert_all(std::span<const std::byte> bytes, Convert convert) {
  std::vector<float> values(bytes.size() / sizeof(T));
  for (std::size_t i = 0; i < values.size(); ++i) {
    T item;
    std::memcpy(&item, bytes.data() + i * sizeof(T), sizeof(T));
    values[i] = convert(item);
  }
  return values;
}

std::vector<float> decode(std::span<const std::byte> bytes, std::string_view dtype) {
  if (dtype == "F16") return convert_all<std::uint16_t>(bytes, half_to_float);
  if (dtype == "BF16") return convert_all<std::uint16_t>(bytes, bfloat_to_float);
  if (dtype == "F64") {
    return convert_all<double>(bytes, [](double x) { return static_cast<float>(x); });
  }
  return convert_all<float>(bytes, [](float x) { return x; });
}

std::map<std::string, std::string> read_metadata(const Json& header, const std::string& file) {
  std::map<std::string, std::string> result;
  if (!header.contains(kMetadata)) return result;
  const Json& value = header[kMetadata];
  const JsonObject object(value, file, std::string(kMetadata) + ".");
  for (const auto& [key, item] : value.items()) result[key] = object.text(key);
  return result;
}

Json header_of(const Safetensors& file) {
  Json header = Json::object();
  if (!file.metadata.empty()) header[kMetadata] = file.metadata;
  std::uint64_t offset = 0;
  for (const auto& [name, tensor] : file.tensors) {
    std::uint64_t items = 1;
    for (const auto dim : tensor.shape) items = checked_mul(items, dim, name);
    if (items != tensor.data.size() || name == kMetadata) {
      throw Error(ErrorCode::InvalidArgument,
                  fmt::format("tensor {}: shape [{}] needs {} numbers, got {}", in_quotes(name),
                              fmt::join(tensor.shape, ", "), items, tensor.data.size()));
    }
    const std::uint64_t end = offset + items * sizeof(float);
    header[name] = {{"dtype", "F32"}, {"shape", tensor.shape}, {"data_offsets", {offset, end}}};
    offset = end;
  }
  return header;
}

}  // namespace

Safetensors read_safetensors(std::span<const std::byte> bytes, const std::string& file) {
  ByteReader reader(bytes, file);
  const auto header_bytes = reader.read<std::uint64_t>();
  if (header_bytes > kMaxHeaderBytes || header_bytes > reader.left()) {
    throw corrupt(file, "claims a header of {} bytes, {} are left and at most {} are taken",
                  header_bytes, reader.left(), kMaxHeaderBytes);
  }
  const Json header = parse_json(reader.text(header_bytes), file);
  if (!header.is_object()) {
    throw corrupt(file, "the header is {}, expected an object", kind_name(header));
  }
  const auto data = reader.take(reader.left());

  Safetensors result;
  result.metadata = read_metadata(header, file);
  std::vector<Entry> entries;
  for (const auto& [name, value] : header.items()) {
    if (name != kMetadata) {
      entries.push_back(read_entry(name, JsonObject(value, file, name + "."), data.size()));
    }
  }
  check_cover(entries, data.size(), file);
  for (Entry& entry : entries) {
    result.tensors[entry.name] = {
        std::move(entry.shape),
        decode(data.subspan(entry.begin, entry.end - entry.begin), entry.dtype.name)};
  }
  return result;
}

std::vector<std::byte> write_safetensors(const Safetensors& file) {
  std::string header = header_of(file).dump(-1, ' ', true, Json::error_handler_t::replace);
  header.resize((header.size() + kHeaderAlignment - 1) / kHeaderAlignment * kHeaderAlignment, ' ');
  ByteWriter out;
  out.write(static_cast<std::uint64_t>(header.size()));
  out.append(header);
  for (const auto& [name, tensor] : file.tensors) {
    out.append(std::as_bytes(std::span<const float>(tensor.data)));
  }
  return std::move(out.bytes());
}

}  // namespace crayon
