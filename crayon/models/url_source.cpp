#include <fmt/format.h>

#include <chrono>
#include <filesystem>
#include <string_view>

#include "crayon/base/error.h"
#include "crayon/base/interrupt.h"
#include "crayon/http/client.h"
#include "crayon/models/internal/file.h"
#include "crayon/models/internal/source.h"

namespace crayon {
namespace {

constexpr int kMostRedirects = 5;

// A hub that cannot be reached must not hold up the next source for long.
constexpr HttpTimeouts kTimeouts{.connect = std::chrono::seconds(4),
                                 .first_byte = std::chrono::seconds(30),
                                 .total = std::chrono::hours(12)};

struct SplitUrl {
  std::string origin;  // "https://host:port"
  std::string path;    // "/path?query"
};

SplitUrl split(const std::string& url) {
  const auto scheme_end = url.find("://");
  const auto slash = scheme_end == std::string::npos ? scheme_end : url.find('/', scheme_end + 3);
  if (slash == std::string::npos) return {url, "/"};
  return {url.substr(0, slash), url.substr(slash, url.find('#') - slash)};
}

// Where a redirect leads; never from https to a scheme without TLS.
std::string redirected(const std::string& from, const HttpResponse& response) {
  const auto found = response.headers.find("location");
  if (found == response.headers.end() || found->second.empty()) {
    throw Error(ErrorCode::Unavailable, fmt::format("{}: answered {} without saying where to go",
                                                    split(from).origin, response.status));
  }
  const std::string& to = found->second;
  const std::string next = to.starts_with('/') ? split(from).origin + to : to;
  if (from.starts_with("https://") && !next.starts_with("https://")) {
    throw Error(ErrorCode::Unavailable, fmt::format("{}: leads away from https to '{}'",
                                                    split(from).origin, split(next).origin));
  }
  return next;
}

// Room for the page that a server sends with an error.
constexpr std::size_t kErrorBodyBytes = std::size_t{1} << 20;

// One request; the body of a 200 goes to the job's file.
HttpResponse get(const FetchJob& job, const std::string& url) {
  const SplitUrl target = split(url);
  const HttpClient client(target.origin, kTimeouts, job.entry.bytes + kErrorBodyBytes);
  OutputFile out(job.part);
  std::uint64_t done = 0;
  HttpRequest request;
  request.path = target.path;
  request.return_redirect = true;
  HttpResponse response = client.send(request, [&](std::string_view piece) {
    throw_if_interrupted();
    done += piece.size();
    if (done > job.entry.bytes) {
      throw Error(ErrorCode::CorruptFile,
                  fmt::format("{}: has more than {} bytes, the model's size", target.origin,
                              job.entry.bytes));
    }
    out.write(std::as_bytes(std::span(piece.data(), piece.size())));
    report(job, "download", done, job.entry.bytes);
    return true;
  });
  out.close();
  return response;
}

void fetch_http(const FetchJob& job) {
  std::string url = job.source.url;
  for (int i = 0; i <= kMostRedirects; ++i) {
    const HttpResponse response = get(job, url);
    if (response.status == 200) return;
    if (response.status / 100 != 3) {
      throw Error(ErrorCode::Unavailable,
                  fmt::format("{}: answered {}, expected 200", job.source.url, response.status));
    }
    url = redirected(url, response);
  }
  throw Error(ErrorCode::Unavailable,
              fmt::format("{}: more than {} redirects", job.source.url, kMostRedirects));
}

void copy_file(const FetchJob& job, const std::string& path) {
  if (!std::filesystem::is_regular_file(path)) {  // before the part is opened for writing
    throw Error(ErrorCode::NotFound, fmt::format("{}: no such file", path));
  }
  OutputFile out(job.part);
  read_in_pieces(job, path, "copy", [&](auto bytes) { out.write(bytes); });
  out.close();
}

}  // namespace

void fetch_url(const FetchJob& job) {
  report(job, "download", 0, job.entry.bytes);
  constexpr std::string_view kFile = "file://";
  if (job.source.url.starts_with(kFile)) return copy_file(job, job.source.url.substr(kFile.size()));
  fetch_http(job);
}

}  // namespace crayon
