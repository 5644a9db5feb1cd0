// In place of gloo_group.cpp where libtorch has no c10d or Gloo's headers are not there.
#include "crayon/base/error.h"
#include "crayon/trainer/internal/process_group.h"

namespace crayon {

bool can_join_others() noexcept { return false; }

std::shared_ptr<ProcessGroup> join_others(const WorkerPlace&) {
  throw Error(ErrorCode::Unsupported,
              "this crayon-trainer was built without c10d and Gloo, so it can work alone only; "
              "rebuild it with a libtorch that has them (Debian: libtorch-dev and libgloo-dev), or "
              "start it without WORLD_SIZE");
}

}  // namespace crayon
