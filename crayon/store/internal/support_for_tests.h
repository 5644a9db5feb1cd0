// For tests of this part: a folder that goes away, and a clock that is set by hand.
#pragma once

#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "crayon/store/store.h"

namespace crayon {

class StoreFolder {
 public:
  StoreFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "crayon-store-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) std::abort();
    path_ = name;
  }
  ~StoreFolder() { std::filesystem::remove_all(path_); }
  StoreFolder(const StoreFolder&) = delete;
  StoreFolder& operator=(const StoreFolder&) = delete;
  [[nodiscard]] std::filesystem::path file() const { return path_ / "data" / "crayon.db"; }

 private:
  std::filesystem::path path_;
};

/// Options whose time is `seconds` since 1970, which the test may change.
inline StoreOptions at(const std::int64_t& seconds) {
  StoreOptions options;
  options.clock = [&seconds] {
    return std::chrono::system_clock::time_point(std::chrono::seconds(seconds));
  };
  return options;
}

inline constexpr std::int64_t kNoon = 1'795'780'800;  // 2026-11-27 12:00 UTC
inline constexpr std::int64_t kDay = 24 * 3600;

}  // namespace crayon
