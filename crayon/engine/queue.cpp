#include "crayon/engine/queue.h"

#include <fmt/format.h>

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "crayon/base/error.h"

namespace crayon {

struct EngineQueue::Impl {
  struct Job {
    std::function<void(Engine&)> work;
    std::promise<void> done;
  };

  Impl(std::unique_ptr<Engine> e, std::size_t c) : engine(std::move(e)), capacity(c) {}

  void loop();

  std::unique_ptr<Engine> engine;  // touched by the worker only
  const std::size_t capacity;
  mutable std::mutex mutex;
  std::condition_variable changed;
  std::deque<Job> jobs;
  bool closing = false;
  std::thread worker;  // last: it uses all of the above
};

void EngineQueue::Impl::loop() {
  for (;;) {
    Job job;
    {
      std::unique_lock lock(mutex);
      changed.wait(lock, [this] { return closing || !jobs.empty(); });
      if (closing) return;
      job = std::move(jobs.front());
      jobs.pop_front();
    }
    try {
      job.work(*engine);
      job.work = nullptr;  // what it holds goes before the caller hears of the end
      job.done.set_value();
    } catch (...) {
      job.done.set_exception(std::current_exception());
    }
  }
}

EngineQueue::EngineQueue(std::unique_ptr<Engine> engine, std::size_t capacity)
    : impl_(std::make_unique<Impl>(std::move(engine), capacity)) {
  impl_->worker = std::thread([impl = impl_.get()] { impl->loop(); });
}

EngineQueue::~EngineQueue() {
  std::deque<Impl::Job> waiting;
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->closing = true;
    waiting.swap(impl_->jobs);
  }
  impl_->changed.notify_all();
  for (auto& job : waiting) {
    job.done.set_exception(std::make_exception_ptr(
        Error(ErrorCode::Unavailable, "the engine is shutting down; ask again later")));
  }
  impl_->worker.join();
}

std::future<void> EngineQueue::submit(std::function<void(Engine&)> job) {
  std::promise<void> done;
  auto future = done.get_future();
  {
    const std::lock_guard lock(impl_->mutex);
    if (impl_->jobs.size() >= impl_->capacity) {
      throw Error(ErrorCode::Unavailable,
                  fmt::format("{} jobs wait for the engine, its queue is full; ask again later",
                              impl_->jobs.size()));
    }
    impl_->jobs.push_back({std::move(job), std::move(done)});
  }
  impl_->changed.notify_one();
  return future;
}

void EngineQueue::run(const std::function<void(Engine&)>& job) { submit(job).get(); }

std::size_t EngineQueue::waiting() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->jobs.size();
}

}  // namespace crayon
