// Several crayon-trainer processes that train one pool together, on one machine or many: who they
// are, and what happens to all when one of them fails. No torch here. Workers count from 0; worker
// 0 leads: it alone writes the log, the checkpoints and the pool.
#pragma once

#include <functional>
#include <memory>
#include <stdexcept>
#include <string>

namespace crayon {

/// One worker among those of a job, as its launcher says.
struct WorkerPlace {
  int rank = 0;              ///< 0 to size - 1, different for each.
  int size = 1;              ///< Workers of the job; 1: a job of one process, which asks nobody.
  int local_rank = 0;        ///< Among the workers of this machine; picks the GPU.
  int local_size = 1;        ///< Workers of this machine, which share its threads and memory.
  std::string host;          ///< Where worker 0 is.
  int store_port = 0;        ///< Where worker 0 listens for the others.
  double wait_minutes = 10;  ///< Longest wait for a worker that lives but does not come.
};

/// Reads RANK, WORLD_SIZE, LOCAL_RANK, LOCAL_WORLD_SIZE, MASTER_ADDR and MASTER_PORT, as torchrun,
/// mpirun wrappers and batch systems set them. A job of one where WORLD_SIZE is not set or 1.
/// @param variable  an environment variable's value, or null
/// @param store_port  0: the port after MASTER_PORT, on which torchrun itself may listen
/// @throws Error InvalidArgument  no number, a rank outside the job, or a missing address
[[nodiscard]] WorkerPlace worker_place(const std::function<const char*(const char*)>& variable,
                                       int store_port = 0);

/// Why a job ended, as the first worker that knew has told it to all.
struct WorkerFailure {
  int teller = 0;       ///< The worker that tells it.
  int exit_status = 1;  ///< Of all workers.
  std::string text;
};

/// Another worker failed; this one ends with it.
class WorkerFailed : public std::runtime_error {
 public:
  explicit WorkerFailed(WorkerFailure failure)
      : std::runtime_error(failure.text), failure_(std::move(failure)) {}
  [[nodiscard]] const WorkerFailure& failure() const noexcept { return failure_; }

 private:
  WorkerFailure failure_;
};

/// Does the worker at `place` print what `teller` has told? Each machine says it once: by the
/// teller itself, and elsewhere by its first worker. A launcher that does not say how many workers
/// a machine has makes each speak for itself.
[[nodiscard]] bool speaks(const WorkerPlace& place, int teller);

/// This worker's connection to the others (crayon/trainer/internal/process_group.h).
class ProcessGroup;

/// Waits until all workers of the job are there. Shared, as the type is known to the trainer alone.
/// Neither side of the connection is authenticated: only for networks that one trusts.
/// @throws Error Unavailable  worker 0 cannot listen or is not there, or some did not come in time
[[nodiscard]] std::shared_ptr<ProcessGroup> join_workers(const WorkerPlace& place);

/// Does a worker's part of the job and keeps the promise that all end together: what `work` throws
/// is told to the others, and what another has told ends this one.
/// @return the status of `work`, or that of the job where another worker failed and it is not this
///         one's turn to say so
/// @throws what `work` throws, naming the worker; Error where it is its turn to say what another
/// told
int run_worker(ProcessGroup& group, const std::function<int()>& work);

}  // namespace crayon
