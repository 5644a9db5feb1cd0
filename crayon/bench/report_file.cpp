#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <string_view>

#include "crayon/base/error.h"
#include "crayon/base/files.h"
#include "crayon/base/interrupt.h"
#include "crayon/bench/internal/report_data.h"
#include "crayon/bench/report.h"

namespace crayon {
namespace {

constexpr int kGzipWindow = 15 + 16;  // zlib's way to ask for gzip alone
constexpr int kMemoryLevel = 8;
constexpr std::size_t kChunkBytes = 1 << 18;
constexpr std::size_t kMaxBytes = std::size_t{1} << 30;  ///< Of JSON; a report has some 10 MB.
constexpr std::string_view kGzipMagic = "\x1f\x8b";

Error no_memory() {
  return {ErrorCode::Unavailable, "gzip: no memory to start; end other programs and try again"};
}

class Deflater {
 public:
  Deflater() {
    if (deflateInit2(&stream_, Z_BEST_COMPRESSION, Z_DEFLATED, kGzipWindow, kMemoryLevel,
                     Z_DEFAULT_STRATEGY) != Z_OK) {
      throw no_memory();
    }
  }
  ~Deflater() { deflateEnd(&stream_); }
  Deflater(const Deflater&) = delete;
  Deflater& operator=(const Deflater&) = delete;

  /// Appends a part of the text to `out`; the last one ends the data.
  void add(std::string_view part, bool last, std::string& out) {
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(part.data()));  // zlib only reads
    stream_.avail_in = static_cast<uInt>(part.size());
    do {
      buffer_.resize(kChunkBytes);
      stream_.next_out = reinterpret_cast<Bytef*>(buffer_.data());
      stream_.avail_out = static_cast<uInt>(buffer_.size());
      deflate(&stream_, last ? Z_FINISH : Z_NO_FLUSH);
      out.append(buffer_, 0, buffer_.size() - stream_.avail_out);
    } while (stream_.avail_out == 0);
  }

 private:
  z_stream stream_{};
  std::string buffer_;
};

class Inflater {
 public:
  explicit Inflater(std::string_view bytes) {
    if (inflateInit2(&stream_, kGzipWindow) != Z_OK) throw no_memory();
    // At most kMaxBytes, as read_report() sees to.
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));  // only read
    stream_.avail_in = static_cast<uInt>(bytes.size());
  }
  ~Inflater() { inflateEnd(&stream_); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  /// All members, one behind the other. @param name  of the file, for messages
  std::string all(const std::string& name) {
    std::string out;
    while (stream_.avail_in > 0) {
      inflateReset(&stream_);
      member(name, out);
    }
    return out;
  }

 private:
  void member(const std::string& name, std::string& out) {
    int status = Z_OK;
    while (status != Z_STREAM_END) {
      throw_if_interrupted();
      buffer_.resize(kChunkBytes);
      stream_.next_out = reinterpret_cast<Bytef*>(buffer_.data());
      stream_.avail_out = static_cast<uInt>(buffer_.size());
      status = inflate(&stream_, Z_NO_FLUSH);
      out.append(buffer_, 0, buffer_.size() - stream_.avail_out);
      if (out.size() > kMaxBytes) {
        throw Error(ErrorCode::InvalidArgument,
                    fmt::format("{}: unpacks to more than {} bytes, expected a report of crayon "
                                "bench; name the file that a run wrote",
                                name, kMaxBytes));
      }
      const bool is_cut = status == Z_BUF_ERROR ||
                          (status == Z_OK && stream_.avail_in == 0 && stream_.avail_out > 0);
      if (is_cut || (status != Z_OK && status != Z_STREAM_END)) {
        throw Error(ErrorCode::CorruptFile,
                    fmt::format("{}: the gzip data is {} after {} bytes of text, expected a whole "
                                "report; copy or make the file again",
                                name, is_cut ? "cut short" : "broken", out.size()));
      }
    }
  }

  z_stream stream_{};
  std::string buffer_;
};

std::string gzip(std::string_view text) {
  Deflater deflater;
  std::string out;
  do {
    throw_if_interrupted();
    const std::string_view part = text.substr(0, kChunkBytes);
    text.remove_prefix(part.size());
    deflater.add(part, text.empty(), out);
  } while (!text.empty());
  return out;
}

}  // namespace

void write_report(const std::filesystem::path& path, const std::string& json) {
  if (path.extension() == ".gz") {
    write_atomically(path, std::string_view(gzip(json)));
  } else {
    write_atomically(path, std::string_view(json));
  }
}

std::string read_any_report(const std::filesystem::path& path) {
  std::string text = read_text(path, kMaxBytes);
  if (text.starts_with(kGzipMagic)) text = Inflater(text).all(path.string());
  return text;
}

std::string read_report(const std::filesystem::path& path) {
  std::string text = read_any_report(path);
  check_report(text, path.string());
  return text;
}

}  // namespace crayon
