// The folder that a run's pool will be written to: looked at before the first step, as training
// may take hours. No torch here.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

namespace crayon {

/// Can a pool be written to this folder, which need not exist? Leaves nothing there.
/// @throws Error InvalidArgument  it, or what it lies in, is a file or a link to nothing
/// @throws Error Unavailable      rights or disk do not allow it
void check_pool_place(const std::filesystem::path& folder);

/// Tells the pool in a folder from others: the hash of its pool.json; "": there is none.
[[nodiscard]] std::string pool_stamp(const std::filesystem::path& folder);

/// Which pools a run may replace.
struct OwnPool {
  std::string replaces;             ///< The pool_stamp() that --restart found; "": none.
  std::vector<std::string> config;  ///< Of the run, as its pool records it; empty: it has none yet.
  std::size_t n_adapters = 0;       ///< Of the run: one that was edited since is not its own.
};

/// @throws Error InvalidArgument  a pool stands there that is none of these
void check_no_other_pool(const std::filesystem::path& folder, const OwnPool& own);

}  // namespace crayon
