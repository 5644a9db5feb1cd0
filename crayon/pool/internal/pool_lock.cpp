#include "crayon/pool/internal/pool_lock.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>

#include "crayon/base/error.h"

namespace crayon {

PoolLock::PoolLock(const std::filesystem::path& folder)
    : fd_(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
  if (fd_ < 0 || ::flock(fd_, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) return;
  ::close(fd_);
  throw Error(ErrorCode::Unavailable,
              fmt::format("{}: is being changed by another program; try again when it is done",
                          folder.string()));
}

PoolLock::~PoolLock() {
  if (fd_ >= 0) ::close(fd_);
}

}  // namespace crayon
