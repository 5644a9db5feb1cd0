// Bytes from outside are hostile: a reader that cannot run past its end, a writer that is its
// mirror image, and arithmetic that cannot overflow. Everything on disk is little-endian.
#pragma once

#include <bit>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace crayon {

static_assert(std::endian::native == std::endian::little, "Crayon's files are little-endian");

/// Reads numbers and strings from bytes that it borrows. Every read past the end throws
/// Error CorruptFile with the file's name, the offset, the bytes needed and the bytes left.
class ByteReader {
 public:
  ByteReader(std::span<const std::byte> bytes, std::string file)
      : bytes_(bytes), file_(std::move(file)) {}

  template <typename T>
  requires std::is_arithmetic_v<T>
  [[nodiscard]] T read() {
    T value;
    std::memcpy(&value, take(sizeof(T)).data(), sizeof(T));
    return value;
  }
  /// The next `n` bytes, borrowed.
  [[nodiscard]] std::span<const std::byte> take(std::uint64_t n);
  /// The next `n` bytes as text.
  [[nodiscard]] std::string text(std::uint64_t n);

  [[nodiscard]] std::uint64_t offset() const noexcept { return offset_; }
  [[nodiscard]] std::uint64_t left() const noexcept { return bytes_.size() - offset_; }
  [[nodiscard]] const std::string& file() const noexcept { return file_; }

 private:
  std::span<const std::byte> bytes_;
  std::string file_;
  std::uint64_t offset_ = 0;
};

/// Collects bytes for a file.
class ByteWriter {
 public:
  template <typename T>
  requires std::is_arithmetic_v<T>
  void write(T value) { append(std::as_bytes(std::span<const T>(&value, 1))); }
  void append(std::span<const std::byte> bytes) {
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
  }
  void append(std::string_view text) { append(std::as_bytes(std::span(text.data(), text.size()))); }
  /// Zero bytes up to the next multiple of `alignment`.
  void pad_to(std::uint64_t alignment) {
    bytes_.resize((bytes_.size() + alignment - 1) / alignment * alignment);
  }
  [[nodiscard]] std::vector<std::byte>& bytes() noexcept { return bytes_; }

 private:
  std::vector<std::byte> bytes_;
};

/// a * b and a + b. @throws Error CorruptFile  when the result does not fit, naming `file`
[[nodiscard]] std::uint64_t checked_mul(std::uint64_t a, std::uint64_t b, std::string_view file);
[[nodiscard]] std::uint64_t checked_add(std::uint64_t a, std::uint64_t b, std::string_view file);

/// IEEE half and bfloat16, to and from float (round to nearest even).
[[nodiscard]] float half_to_float(std::uint16_t half) noexcept;
[[nodiscard]] std::uint16_t float_to_half(float value) noexcept;
[[nodiscard]] float bfloat_to_float(std::uint16_t bits) noexcept;
[[nodiscard]] std::uint16_t float_to_bfloat(float value) noexcept;

}  // namespace crayon
