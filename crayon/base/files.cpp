#include "crayon/base/files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <system_error>
#include <utility>

#include "crayon/base/error.h"
#include "crayon/base/interrupt.h"

namespace crayon {
namespace {

namespace fs = std::filesystem;

std::string reason() { return std::strerror(errno); }

/// An open file descriptor, closed when it goes.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  [[nodiscard]] int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

void write_all(int fd, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw std::system_error(errno, std::generic_category());
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
}

/// What an errno of opening or looking at a path means.
ErrorCode code_of(int error) {
  if (error == ENOENT || error == ENOTDIR) return ErrorCode::NotFound;
  if (error == ELOOP || error == ENAMETOOLONG) return ErrorCode::InvalidArgument;
  return ErrorCode::Unavailable;
}

fs::path folder_of(const fs::path& path) {
  return path.has_parent_path() ? path.parent_path() : fs::path(".");
}

/// The rights of the file at `path`, else the usual ones of a new file.
mode_t mode_for(const fs::path& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) == 0) return status.st_mode & 0777;
  const mode_t mask = ::umask(0);  // there is no other way to ask for it
  ::umask(mask);
  return 0666 & ~mask;
}

fs::path user_folder(const char* own, const char* xdg, const char* below_home) {
  if (const char* value = std::getenv(own); value != nullptr && *value != '\0') return value;
  if (const char* value = std::getenv(xdg); value != nullptr && *value != '\0') {
    return fs::path(value) / "crayon";
  }
  const char* home = std::getenv("HOME");
  return fs::path(home != nullptr ? home : ".") / below_home / "crayon";
}

}  // namespace

FileKind file_kind(const fs::path& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) {
    const ErrorCode code = code_of(errno);
    if (code == ErrorCode::NotFound) return FileKind::None;
    throw Error(
        code, fmt::format("{}: cannot be looked at: {}; check the path", path.string(), reason()));
  }
  if (S_ISDIR(status.st_mode)) return FileKind::Folder;
  return S_ISREG(status.st_mode) ? FileKind::File : FileKind::Other;
}

// Without waiting: opening a pipe would block until someone writes to it.
InputFile::InputFile(const fs::path& path) : name_(path.string()) {
  Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.get() < 0) {
    throw Error(code_of(errno),
                fmt::format("{}: cannot be opened: {}; check the path", name_, reason()));
  }
  struct stat status {};
  if (::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) {
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("{}: {}, expected a file; name a file", name_,
                            S_ISDIR(status.st_mode) ? "is a folder" : "is not a regular file"));
  }
  size_ = static_cast<std::uint64_t>(status.st_size);
  fd_ = file.release();
}

InputFile::~InputFile() { ::close(fd_); }

void InputFile::read(std::uint64_t offset, std::span<std::byte> to) const {
  while (!to.empty()) {
    const ssize_t n = ::pread(fd_, to.data(), to.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) {
      throw_if_interrupted();
      continue;
    }
    if (n < 0) {
      throw Error(ErrorCode::Unavailable,
                  fmt::format("{}: cannot be read: {}; check the disk", name_, reason()));
    }
    if (n == 0) {
      throw Error(ErrorCode::CorruptFile,
                  fmt::format("{}: ends at byte {}, {} more bytes are needed; fetch or make the "
                              "file again",
                              name_, offset, to.size()));
    }
    offset += static_cast<std::uint64_t>(n);
    to = to.subspan(static_cast<std::size_t>(n));
  }
}

std::vector<std::byte> read_file(const fs::path& path, std::uint64_t max_bytes) {
  const InputFile file(path);
  if (file.size() > max_bytes) {
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("{}: has {} bytes, at most {} are expected; is it the right file?",
                            path.string(), file.size(), max_bytes));
  }
  std::vector<std::byte> bytes(file.size());
  file.read(0, bytes);
  return bytes;
}

std::string read_text(const fs::path& path, std::uint64_t max_bytes) {
  const auto bytes = read_file(path, max_bytes);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

void check_output(const fs::path& path) {
  const FileKind kind = file_kind(path);
  if (kind == FileKind::Folder || kind == FileKind::Other) {
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("{}: is a {}, expected the name of a file to write; name a file",
                            path.string(), kind == FileKind::Folder ? "folder" : "device or pipe"));
  }
  const fs::path folder = folder_of(path);
  if (file_kind(folder) != FileKind::Folder) {
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("{}: its folder {} does not exist; make it first", path.string(),
                            folder.string()));
  }
}

void write_atomically(const fs::path& path, std::span<const std::byte> bytes) {
  check_output(path);
  const mode_t mode = mode_for(path);
  std::string temporary = (folder_of(path) / (path.filename().string() + ".XXXXXX.part")).string();
  Descriptor file(::mkostemps(temporary.data(), 5, O_CLOEXEC));
  if (file.get() < 0) {
    throw Error(ErrorCode::Unavailable,
                fmt::format("{}: cannot be written: {}", path.string(), reason()));
  }
  try {
    write_all(file.get(), bytes);
    if (::fchmod(file.get(), mode) != 0 || ::fsync(file.get()) != 0 ||
        ::close(file.release()) != 0 || ::rename(temporary.c_str(), path.c_str()) != 0) {
      throw std::system_error(errno, std::generic_category());
    }
  } catch (const std::system_error& error) {
    ::unlink(temporary.c_str());
    throw Error(ErrorCode::Unavailable,
                fmt::format("{}: cannot be written: {}; nothing was changed", path.string(),
                            error.code().message()));
  }
}

void write_atomically(const fs::path& path, std::string_view text) {
  write_atomically(path, std::as_bytes(std::span(text.data(), text.size())));
}

fs::path cache_folder() { return user_folder("CRAYON_CACHE", "XDG_CACHE_HOME", ".cache"); }
fs::path data_folder() { return user_folder("CRAYON_HOME", "XDG_DATA_HOME", ".local/share"); }

}  // namespace crayon
