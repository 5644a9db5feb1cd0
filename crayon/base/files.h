// Reading whole files and replacing files in one step, so that a kill leaves the old or the new
// one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace crayon {

/// What stands at a path, links followed.
enum class FileKind {
  None,  ///< Nothing, or a link to nothing.
  File,
  Folder,
  Other,  ///< A device, pipe or socket.
};

/// @throws Error InvalidArgument  no path that can be: too long, or links in a loop
/// @throws Error Unavailable      a folder above may not be entered
[[nodiscard]] FileKind file_kind(const std::filesystem::path& path);

/// A regular file opened for reading; what replaces it meanwhile changes nothing.
class InputFile {
 public:
  /// @throws Error NotFound         no such file
  /// @throws Error InvalidArgument  a folder, device or pipe, or no path that can be
  /// @throws Error Unavailable      it cannot be opened
  explicit InputFile(const std::filesystem::path& path);
  ~InputFile();
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  [[nodiscard]] std::uint64_t size() const { return size_; }
  /// Fills `to` from `offset` on. @throws Error CorruptFile (the file ends before), Unavailable
  void read(std::uint64_t offset, std::span<std::byte> to) const;

 private:
  std::string name_;
  int fd_ = -1;
  std::uint64_t size_ = 0;
};

/// All bytes of a regular file.
/// @throws Error InvalidArgument  more than `max_bytes`; others as InputFile
[[nodiscard]] std::vector<std::byte> read_file(const std::filesystem::path& path,
                                               std::uint64_t max_bytes = UINT64_MAX);

/// The same as text.
[[nodiscard]] std::string read_text(const std::filesystem::path& path,
                                    std::uint64_t max_bytes = UINT64_MAX);

/// Refuses what write_atomically() would refuse, before the work begins.
/// @throws Error InvalidArgument  a folder, device or pipe; a folder that does not exist
/// @throws Error Unavailable      as file_kind
void check_output(const std::filesystem::path& path);

/// Writes `bytes` beside `path` under a temporary name, syncs, and renames it over `path`, with the
/// rights of the file that was there. A symbolic link becomes a file; what it led to stays as it
/// is. On any error (full disk, no rights) `path` is as it was and no temporary file stays.
/// @throws Error Unavailable  with the system's reason
/// @throws Error InvalidArgument  as check_output
void write_atomically(const std::filesystem::path& path, std::span<const std::byte> bytes);
void write_atomically(const std::filesystem::path& path, std::string_view text);

/// Folders of the user, after the XDG rules: `CRAYON_CACHE` or `$XDG_CACHE_HOME/crayon` or
/// `~/.cache/crayon` for what can be fetched again; `CRAYON_HOME` or `$XDG_DATA_HOME/crayon` or
/// `~/.local/share/crayon` for the user's tasks. They need not exist.
[[nodiscard]] std::filesystem::path cache_folder();
[[nodiscard]] std::filesystem::path data_folder();

}  // namespace crayon
