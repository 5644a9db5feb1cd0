// Lines of a text stream that may be gzip: bounded memory whatever comes.
#pragma once

#include <filesystem>
#include <fstream>
#include <istream>
#include <memory>
#include <string>
#include <vector>

namespace crayon {

/// A file of lines, opened.
/// @throws Error NotFound, InvalidArgument (a folder), Unavailable; Interrupted
[[nodiscard]] std::ifstream open_lines(const std::filesystem::path& path);

inline constexpr std::size_t kMaxLineBytes = 1 << 20;

class LineReader {
 public:
  /// Borrows the stream. @param name  for messages
  LineReader(std::istream& in, std::string name);
  ~LineReader();
  LineReader(const LineReader&) = delete;
  LineReader& operator=(const LineReader&) = delete;

  /// The next line without its end ("\n" or "\r\n"); a byte order mark at the start is skipped.
  /// @return false at the end
  /// @throws Error InvalidArgument (a line over kMaxLineBytes), CorruptFile (gzip), Unavailable;
  ///         Interrupted
  bool next(std::string& line);
  /// "name:line" of the last line.
  [[nodiscard]] std::string where() const;

 private:
  struct Inflater;
  bool fill();
  std::size_t read_raw(std::vector<char>& to);

  std::istream& in_;
  std::string name_;
  std::unique_ptr<Inflater> inflater_;  ///< Null for plain text.
  std::vector<char> raw_;               ///< Compressed bytes, when there is an inflater.
  std::vector<char> text_;
  std::size_t used_ = 0;  ///< Bytes of text_ that were given out.
  std::size_t line_ = 0;
};

}  // namespace crayon
