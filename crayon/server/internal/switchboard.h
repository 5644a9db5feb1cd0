// Who answers: one router, one task and one door for all requests of a server, from its threads.
#pragma once

#include <mutex>
#include <optional>

#include "crayon/engine/engine.h"
#include "crayon/server/bookkeeping.h"
#include "crayon/server/internal/metrics.h"

namespace crayon::server {

class Switchboard {
 public:
  /// Borrows the model and what the bookkeeping borrows.
  /// @throws Error Incompatible  the task was made for another base model; InvalidArgument: options
  Switchboard(const Model& model, Bookkeeping books);

  /// Could any request leave at all?
  [[nodiscard]] bool may_leave() const { return door_.has_value(); }
  /// Why none can: "local only", "no server" or "never".
  [[nodiscard]] std::string why_none_leaves() const;
  /// Decides, and remembers the score. Safe from several threads.
  [[nodiscard]] Decision decide(const Signals& signals);
  [[nodiscard]] double score(const Signals& signals) const;
  /// Does the server answer everything, so that one token is enough to tell the confidence from?
  [[nodiscard]] bool always() const { return books_.router.mode == RouteMode::Always; }

  /// Only where may_leave(). Safe from several threads.
  [[nodiscard]] ServerDoor& door() { return *door_; }
  [[nodiscard]] const TaskOnDevice& task() const { return task_; }
  [[nodiscard]] const Bookkeeping& books() const { return books_; }
  [[nodiscard]] Metrics& metrics() { return metrics_; }
  [[nodiscard]] const Metrics& metrics() const { return metrics_; }

 private:
  Bookkeeping books_;
  TaskOnDevice task_;
  Policy policy_;
  std::optional<ServerDoor> door_;
  Metrics metrics_;
  mutable std::mutex mutex_;
  Router router_;  // guarded by mutex_
};

}  // namespace crayon::server
