// SHA-256 of bytes and files, as 64 lower-case hexadecimal digits (OpenSSL).
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace crayon {

/// Hash of bytes that come in pieces.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;
  void update(std::span<const std::byte> bytes);
  /// The hash of all bytes so far; the object may not be used after.
  [[nodiscard]] std::string hex();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

[[nodiscard]] std::string sha256_hex(std::span<const std::byte> bytes);
[[nodiscard]] std::string sha256_hex(std::string_view text);
/// Hash of a file, read in pieces. @throws Error  as InputFile and its read()
[[nodiscard]] std::string sha256_file(const std::filesystem::path& path);

}  // namespace crayon
