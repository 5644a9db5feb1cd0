#include "crayon/models/internal/file.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "crayon/base/error.h"

namespace crayon {

OutputFile::OutputFile(std::filesystem::path path)
    : path_(std::move(path)), file_(std::fopen(path_.c_str(), "wbe")) {
  if (!file_) fail();
}

void OutputFile::write(std::span<const std::byte> bytes) {
  if (std::fwrite(bytes.data(), 1, bytes.size(), file_.get()) != bytes.size()) fail();
}

void OutputFile::close() {
  if (std::fflush(file_.get()) != 0 || fsync(fileno(file_.get())) != 0) fail();
  if (std::fclose(file_.release()) != 0) fail();
}

void OutputFile::fail() const {
  throw Error(ErrorCode::Unavailable,
              fmt::format("{}: cannot be written: {}", path_.string(), std::strerror(errno)));
}

}  // namespace crayon
