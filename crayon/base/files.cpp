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

fs::path user_folder(const char* own, const char* xdg, const char* below_home) {
  if (const char* value = std::getenv(own); value != nullptr && *value != '\0') return value;
  if (const char* value = std::getenv(xdg); value != nullptr && *value != '\0') {
    return fs::path(value) / "crayon";
  }
  const char* home = std::getenv("HOME");
  return fs::path(home != nullptr ? home : ".") / below_home / "crayon";
}

}  // namespace

std::vector<std::byte> read_file(const fs::path& path, std::uint64_t max_bytes) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) {
    const bool missing = errno == ENOENT || errno == ENOTDIR;
    throw Error(missing ? ErrorCode::NotFound : ErrorCode::Unavailable,
                fmt::format("{}: cannot be opened: {}; check the path", path.string(), reason()));
  }
  struct stat status {};
  if (::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) {
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("{}: {}, expected a file; name a file", path.string(),
                            S_ISDIR(status.st_mode) ? "is a folder" : "is not a regular file"));
  }
  const auto size = static_cast<std::uint64_t>(status.st_size);
  if (size > max_bytes) {
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("{}: has {} bytes, at most {} are expected; is it the right file?",
                            path.string(), size, max_bytes));
  }
  std::vector<std::byte> bytes(size);
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t n = ::read(file.get(), bytes.data() + done, bytes.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      throw Error(ErrorCode::Unavailable,
                  fmt::format("{}: cannot be read: {}", path.string(), reason()));
    }
    if (n == 0) break;  // cut while we read it: the parser will say so
    done += static_cast<std::size_t>(n);
  }
  bytes.resize(done);
  return bytes;
}

std::string read_text(const fs::path& path, std::uint64_t max_bytes) {
  const auto bytes = read_file(path, max_bytes);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

void write_atomically(const fs::path& path, std::span<const std::byte> bytes) {
  if (fs::is_directory(path)) {
    throw Error(
        ErrorCode::InvalidArgument,
        fmt::format("{}: is a folder, expected a file to write; name a file", path.string()));
  }
  const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  if (!fs::is_directory(folder)) {
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("{}: its folder does not exist; make it first", path.string()));
  }
  std::string temporary = (folder / (path.filename().string() + ".XXXXXX.part")).string();
  Descriptor file(::mkostemps(temporary.data(), 5, O_CLOEXEC));
  if (file.get() < 0) {
    throw Error(ErrorCode::Unavailable,
                fmt::format("{}: cannot be written: {}", path.string(), reason()));
  }
  try {
    write_all(file.get(), bytes);
    const mode_t mask = ::umask(0);  // mkostemps makes the file private; give it the usual rights
    ::umask(mask);
    ::fchmod(file.get(), 0666 & ~mask);
    if (::fsync(file.get()) != 0 || ::close(file.release()) != 0 ||
        ::rename(temporary.c_str(), path.c_str()) != 0) {
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
