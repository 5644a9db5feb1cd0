// Files in memory: llama.cpp reads models and adapters from files only.
#pragma once

#include <cstdio>
#include <memory>

namespace crayon::internal {

struct CloseFile {
  void operator()(std::FILE* file) const noexcept { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, CloseFile>;

/// An empty one. @param name  for the system's own lists
/// @throws Error Unavailable  no memory
[[nodiscard]] File memory_file(const char* name);

/// Writes out what is buffered and goes to the start. @throws Error Unavailable  no memory
void rewind_file(const File& file);

}  // namespace crayon::internal
