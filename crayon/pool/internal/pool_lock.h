// One program at a time changes a pool's folder.
#pragma once

#include <filesystem>

namespace crayon {

/// Held while a pool is written: of two programs that change it at once, one would put its files
/// among the other's. File systems without such locks go without, and so does a folder that is not
/// there.
class PoolLock {
 public:
  /// @throws Error Unavailable  another program holds it
  explicit PoolLock(const std::filesystem::path& folder);
  PoolLock(const PoolLock&) = delete;
  PoolLock& operator=(const PoolLock&) = delete;
  ~PoolLock();

 private:
  int fd_;
};

}  // namespace crayon
