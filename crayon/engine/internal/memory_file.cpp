#include "crayon/engine/internal/memory_file.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include "crayon/base/error.h"

namespace crayon::internal {

File memory_file(const char* name) {
  const int fd = memfd_create(name, MFD_CLOEXEC);
  if (fd < 0) {
    throw Error(ErrorCode::Unavailable, fmt::format("no memory for {} (memfd_create)", name));
  }
  File file(fdopen(fd, "w+b"));
  if (!file) {
    close(fd);
    throw Error(ErrorCode::Unavailable, fmt::format("no memory for {} (fdopen)", name));
  }
  return file;
}

void rewind_file(const File& file) {
  if (std::fflush(file.get()) != 0) {
    throw Error(ErrorCode::Unavailable, "no memory for a file that llama.cpp is to read");
  }
  std::rewind(file.get());
}

}  // namespace crayon::internal
