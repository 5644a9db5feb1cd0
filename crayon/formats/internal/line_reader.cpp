#include "crayon/formats/internal/line_reader.h"

#include <zlib.h>

#include <algorithm>

#include "crayon/base/interrupt.h"
#include "crayon/formats/internal/messages.h"

namespace crayon {
namespace {

constexpr std::size_t kChunkBytes = 1 << 16;
constexpr int kGzipWindow = 15 + 16;  // zlib's way to ask for gzip alone
constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

}  // namespace

struct LineReader::Inflater {
  z_stream stream{};
  bool at_end = false;  ///< After a whole member; another may follow.

  Inflater() {
    if (inflateInit2(&stream, kGzipWindow) != Z_OK) {
      throw Error(ErrorCode::Unavailable, "gzip: no memory to start");
    }
  }
  ~Inflater() { inflateEnd(&stream); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;
};

LineReader::LineReader(std::istream& in, std::string name) : in_(in), name_(std::move(name)) {
  std::vector<char> start;
  read_raw(start);
  const bool gzip = start.size() >= 2 && start[0] == '\x1f' && start[1] == '\x8b';
  if (gzip) {
    inflater_ = std::make_unique<Inflater>();
    raw_ = std::move(start);
    inflater_->stream.next_in = reinterpret_cast<Bytef*>(raw_.data());
    inflater_->stream.avail_in = static_cast<uInt>(raw_.size());
    fill();
  } else {
    text_ = std::move(start);
  }
  if (std::string_view(text_.data(), text_.size()).starts_with(kByteOrderMark)) {
    used_ = kByteOrderMark.size();
  }
}

LineReader::~LineReader() = default;

std::string LineReader::where() const { return fmt::format("{}:{}", name_, line_); }

std::size_t LineReader::read_raw(std::vector<char>& to) {
  to.resize(kChunkBytes);
  in_.read(to.data(), static_cast<std::streamsize>(to.size()));
  throw_if_interrupted();  // Ctrl-C ends a read of the terminal as if it were the end of the text
  if (in_.bad()) throw file_error(ErrorCode::Unavailable, name_, "cannot be read; check the disk");
  to.resize(static_cast<std::size_t>(in_.gcount()));
  return to.size();
}

/// Puts the next text into text_. False at the end.
bool LineReader::fill() {
  used_ = 0;
  if (inflater_ == nullptr) return read_raw(text_) > 0;
  z_stream& stream = inflater_->stream;
  text_.resize(kChunkBytes);
  stream.next_out = reinterpret_cast<Bytef*>(text_.data());
  stream.avail_out = static_cast<uInt>(text_.size());
  while (stream.avail_out == text_.size()) {
    if (stream.avail_in == 0) {
      if (read_raw(raw_) == 0) {
        if (inflater_->at_end) break;
        throw corrupt(name_, "the gzip data is cut short after line {}", line_);
      }
      stream.next_in = reinterpret_cast<Bytef*>(raw_.data());
      stream.avail_in = static_cast<uInt>(raw_.size());
    }
    if (inflater_->at_end) {
      inflateReset(&stream);
      inflater_->at_end = false;
    }
    const int status = inflate(&stream, Z_NO_FLUSH);
    if (status == Z_STREAM_END) {
      inflater_->at_end = true;
    } else if (status != Z_OK) {
      throw corrupt(name_, "the gzip data is broken after line {}", line_);
    }
  }
  text_.resize(text_.size() - stream.avail_out);
  return !text_.empty();
}

bool LineReader::next(std::string& line) {
  line.clear();
  bool any = false;
  while (used_ < text_.size() || fill()) {
    any = true;
    const auto begin = text_.begin() + static_cast<std::ptrdiff_t>(used_);
    const auto end = std::find(begin, text_.end(), '\n');
    line.append(begin, end);
    if (line.size() > kMaxLineBytes) {
      throw file_error(ErrorCode::InvalidArgument, name_,
                       "line {} is longer than {} bytes, expected one JSON object a line; shorten "
                       "it",
                       line_ + 1, kMaxLineBytes);
    }
    used_ = static_cast<std::size_t>(end - text_.begin());
    if (end != text_.end()) {
      ++used_;
      break;
    }
  }
  if (!any) return false;
  ++line_;
  if (!line.empty() && line.back() == '\r') line.pop_back();
  return true;
}

std::ifstream open_lines(const std::filesystem::path& path) {
  std::error_code failed;
  if (!std::filesystem::exists(path, failed)) {
    throw file_error(ErrorCode::NotFound, path.string(),
                     "no such file, expected JSON lines; check the path");
  }
  if (std::filesystem::is_directory(path, failed)) {
    throw file_error(ErrorCode::InvalidArgument, path.string(),
                     "is a folder, expected a file of JSON lines; name the file");
  }
  std::ifstream in(path, std::ios::binary);
  throw_if_interrupted();  // Ctrl-C while a pipe waits for its writer
  if (!in)
    throw file_error(ErrorCode::Unavailable, path.string(), "cannot be opened; check its rights");
  return in;
}

}  // namespace crayon
