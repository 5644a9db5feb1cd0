// GGUF files (version 2 and 3, little-endian): a total reader and a writer. Shapes are row-major as
// everywhere in Crayon: ggml's ne = {cols, rows, ...} is turned round here, so a weight that maps
// d_in to d_out is [d_out, d_in]. Reading never trusts a count: see GgufLimits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

namespace crayon {

class ByteWriter;
class InputFile;

/// An array of one scalar type or of strings. Integers of any width and bools are widened to 64
/// bits.
using GgufArray = std::variant<std::vector<std::int64_t>, std::vector<std::uint64_t>,
                               std::vector<double>, std::vector<float>, std::vector<std::string>>;
/// A metadata value. float stays float: it is written as GGUF float32, double as float64.
using GgufValue =
    std::variant<bool, std::int64_t, std::uint64_t, float, double, std::string, GgufArray>;

/// Number types of tensors. Others of ggml are known by their number only (size, not content).
enum class TensorType {
  F32,
  F16,
  BF16,
  Q8,  ///< ggml's Q8_0: blocks of 32 bytes with one half as their step.
};
[[nodiscard]] TensorType parse_tensor_type(
    const std::string& name);  ///< "f32", "f16", "bf16", "q8_0"
[[nodiscard]] std::string to_string(TensorType type);

struct GgufTensor {
  std::string name;
  std::vector<std::uint64_t> shape;  ///< Row-major; the last one is contiguous.
  std::uint32_t ggml_type = 0;       ///< ggml's own number.
  std::uint64_t offset = 0;          ///< From the start of the data part.
  std::uint64_t bytes = 0;
};

/// The number type of a tensor. @throws Error Unsupported  one that is not in TensorType
[[nodiscard]] TensorType tensor_type(const GgufTensor& tensor);

struct GgufLimits {
  std::uint64_t max_metadata = 65536;  ///< Keys.
  std::uint64_t max_tensors = 65536;
  std::uint64_t max_string_bytes = 1 << 24;
  std::uint64_t max_array_items = 1 << 24;
};

/// An open GGUF: header in memory, tensor data read when asked for. Keeps the file open, so that a
/// file replaced meanwhile changes nothing. Copies are cheap and share it.
class Gguf {
 public:
  /// Opens and checks a file: magic, version, unique keys and names, known types, shapes without
  /// overflow, aligned offsets that neither overlap nor leave the file.
  /// @throws Error NotFound, CorruptFile (file, offset, found, expected), Unsupported (version)
  [[nodiscard]] static Gguf open(const std::filesystem::path& path, const GgufLimits& = {});
  /// The same from memory; takes the bytes. `file` is for messages.
  [[nodiscard]] static Gguf parse(std::vector<std::byte> bytes, const std::string& file,
                                  const GgufLimits& = {});

  [[nodiscard]] const std::string& file() const { return file_; }
  [[nodiscard]] const std::map<std::string, GgufValue>& metadata() const { return metadata_; }
  [[nodiscard]] const std::vector<GgufTensor>& tensors() const { return tensors_; }
  [[nodiscard]] const GgufTensor* find(const std::string& name) const;

  /// A value of a given kind. @throws Error CorruptFile  missing or of another kind; names the key
  [[nodiscard]] std::string text(const std::string& key) const;
  [[nodiscard]] std::uint64_t number(const std::string& key) const;  ///< Any non-negative integer.
  [[nodiscard]] double real(const std::string& key) const;           ///< Any number.
  [[nodiscard]] bool has(const std::string& key) const;
  [[nodiscard]] std::vector<float> floats(const std::string& key) const;  ///< Array of f32 or f64.
  [[nodiscard]] std::vector<std::string> texts(const std::string& key) const;

  /// A tensor's bytes as they stand in the file, of any number type.
  /// @throws Error CorruptFile, Unavailable  the file was cut meanwhile, or cannot be read
  [[nodiscard]] std::vector<std::byte> read_bytes(const GgufTensor& tensor) const;
  /// A tensor's numbers as float, row-major. F32, F16, BF16 and Q8_0.
  /// @throws Error Unsupported  another type, named
  [[nodiscard]] std::vector<float> read_floats(const GgufTensor& tensor) const;

 private:
  std::string file_;
  std::map<std::string, GgufValue> metadata_;
  std::vector<GgufTensor> tensors_;
  std::uint64_t data_offset_ = 0;
  std::shared_ptr<const std::vector<std::byte>> memory_;  ///< From parse(); shared by copies.
  std::shared_ptr<const InputFile> input_;                ///< From open(); shared by copies.
};

/// Collects metadata and tensors and lays them out as a GGUF version 3 file.
class GgufWriter {
 public:
  /// A key set again is replaced. @throws Error InvalidArgument  "" or general.alignment
  void set(const std::string& key, GgufValue value);
  /// Written as GGUF uint32, which llama.cpp's own keys use.
  void set_u32(const std::string& key, std::uint32_t value);
  /// Written as an array of GGUF int32, which llama.cpp's tokenizer.ggml.token_type is.
  void set_i32_array(const std::string& key, std::vector<std::int32_t> values);
  /// @throws Error InvalidArgument  a name used before, values that do not fill the shape, or
  ///                                Q8_0 with rows that are no multiple of 32
  void add(const std::string& name, std::vector<std::uint64_t> shape, TensorType type,
           std::span<const float> values);
  [[nodiscard]] std::vector<std::byte> finish() const;

 private:
  struct Pending {
    GgufTensor info;
    std::vector<std::byte> data;
  };
  void forget(const std::string& key);
  void put_tensors(ByteWriter& out) const;

  std::map<std::string, GgufValue> metadata_;
  std::map<std::string, std::uint32_t> u32_;
  std::map<std::string, std::vector<std::int32_t>> i32_arrays_;
  std::vector<Pending> tensors_;
};

}  // namespace crayon
