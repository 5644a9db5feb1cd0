// Where a GGUF header is read from: bytes in memory, or a file read through a small buffer, so that
// the header of a large model costs no more than its own size.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "crayon/base/files.h"

namespace crayon {

/// Reads forward. Every read past the end throws Error CorruptFile with offset, need and rest.
class GgufSource {
 public:
  GgufSource(std::span<const std::byte> bytes, std::string file)
      : name_(std::move(file)), window_(bytes), size_(bytes.size()) {}
  /// Borrows the file.
  GgufSource(const InputFile& input, std::string file)
      : name_(std::move(file)), input_(&input), size_(input.size()) {}

  template <typename T>
  requires std::is_arithmetic_v<T>
  [[nodiscard]] T read() {
    T value;
    std::memcpy(&value, take(sizeof(T)).data(), sizeof(T));
    return value;
  }
  /// The next `n` bytes, valid until the next call.
  [[nodiscard]] std::span<const std::byte> take(std::uint64_t n);
  [[nodiscard]] std::string text(std::uint64_t n);

  [[nodiscard]] const std::string& file() const { return name_; }
  [[nodiscard]] std::uint64_t offset() const { return window_begin_ + used_; }
  [[nodiscard]] std::uint64_t size() const { return size_; }
  [[nodiscard]] std::uint64_t left() const { return size_ - offset(); }

 private:
  void refill(std::uint64_t n);

  std::string name_;
  const InputFile* input_ = nullptr;  ///< Null when all bytes are in memory.
  std::vector<std::byte> buffer_;
  std::span<const std::byte> window_;  ///< The bytes at hand; starts at window_begin_ in the file.
  std::uint64_t window_begin_ = 0;
  std::uint64_t used_ = 0;
  std::uint64_t size_ = 0;
};

}  // namespace crayon
