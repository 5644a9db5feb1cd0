// What the workers of a job do together. A plain ProcessGroup is a job of one and does nothing;
// join_workers() gives one over c10d. Every call but tell() and leave() is made by all workers, in
// the same order, from one thread each.
#pragma once

#include <torch/types.h>

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "crayon/trainer/workers.h"

namespace crayon {

/// All calls throw WorkerFailed where another worker has failed, and Interrupted where another was
/// interrupted.
class ProcessGroup {
 public:
  explicit ProcessGroup(WorkerPlace place = {}) : place_(std::move(place)) {}
  virtual ~ProcessGroup() = default;
  ProcessGroup(const ProcessGroup&) = delete;
  ProcessGroup& operator=(const ProcessGroup&) = delete;

  [[nodiscard]] const WorkerPlace& place() const { return place_; }
  [[nodiscard]] int rank() const { return place_.rank; }
  [[nodiscard]] int size() const { return place_.size; }
  [[nodiscard]] bool leads() const { return place_.rank == 0; }

  /// Adds up the workers' tensors in place: f32, contiguous, of one shape. All get the same bits.
  virtual void sum(torch::Tensor tensor);
  /// Worker 0's tensor in place of the others'.
  virtual void broadcast(torch::Tensor tensor);
  /// Waits for the others without a limit while they live: for places where one may have much more
  /// to do than another, such as fetching a model. @param where  for messages
  virtual void meet(const std::string& where);
  /// Worker 0's text; meets the others. @param name  of the text, different for each
  [[nodiscard]] virtual std::string from_leader(const std::string& name, const std::string& text);

  /// Tells the others why this worker ends. Not thrown: whoever was first stands.
  /// @return what all workers are told, which is `failure` or what another told before
  virtual WorkerFailure tell(const WorkerFailure& failure);
  /// Ends this worker's part: no call after it. Worker 0 waits until the others have left, as they
  /// hear through it why the job ended. Throws nothing.
  virtual void leave() noexcept;

  /// sum() of plain numbers.
  void sum(std::span<float> values);
  /// Does any worker say yes?
  [[nodiscard]] bool any(bool yes);
  /// Worker 0's bytes, of any number.
  [[nodiscard]] std::vector<std::byte> from_leader(std::vector<std::byte> bytes);

 private:
  WorkerPlace place_;
};

/// Whether this build has c10d and Gloo.
[[nodiscard]] bool can_join_others() noexcept;

/// join_workers() for a job of at least two. @throws Error Unsupported  !can_join_others()
[[nodiscard]] std::shared_ptr<ProcessGroup> join_others(const WorkerPlace& place);

}  // namespace crayon
