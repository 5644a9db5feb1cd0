// A file that is written piece by piece, with the system's reason when that fails.
#pragma once

#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <span>

namespace crayon {

/// A file open for writing; empty at first.
class OutputFile {
 public:
  /// @throws Error Unavailable  it cannot be opened
  explicit OutputFile(std::filesystem::path path);
  /// @throws Error Unavailable  full disk and the like
  void write(std::span<const std::byte> bytes);
  /// Writes all out to the disk and closes. @throws Error Unavailable
  void close();

 private:
  [[noreturn]] void fail() const;

  struct Close {
    void operator()(std::FILE* file) const noexcept { std::fclose(file); }
  };
  std::filesystem::path path_;
  std::unique_ptr<std::FILE, Close> file_;
};

}  // namespace crayon
