// Reaching an engine from other threads: one worker thread owns the engine, jobs wait in a bounded
// queue and run in order.
#pragma once

#include <functional>
#include <future>
#include <memory>

#include "crayon/engine/engine.h"

namespace crayon {

class EngineQueue {
 public:
  /// Takes the engine and starts the worker. @param capacity  jobs that may wait
  EngineQueue(std::unique_ptr<Engine> engine, std::size_t capacity = 64);
  EngineQueue(const EngineQueue&) = delete;
  EngineQueue& operator=(const EngineQueue&) = delete;
  ~EngineQueue();  ///< Lets the running job end, breaks the waiting ones' promises (Unavailable).

  /// Runs `job` on the worker; what it throws comes out of the future.
  /// @throws Error Unavailable  the queue is full
  [[nodiscard]] std::future<void> submit(std::function<void(Engine&)> job);
  /// submit and wait.
  void run(const std::function<void(Engine&)>& job);
  [[nodiscard]] std::size_t waiting() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace crayon
