#include "crayon/server/internal/generation.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>

#include "crayon/base/error.h"

namespace crayon::server {

struct Generation::State {
  std::atomic<bool> cancel = false;
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<GeneratedToken> tokens;  // guarded by mutex, as all below
  Generated result;
  std::optional<double> scope;
  std::exception_ptr error;
  bool done = false;

  bool put(const GeneratedToken& token) {
    {
      const std::lock_guard lock(mutex);
      tokens.push_back(token);
    }
    changed.notify_one();
    return !cancel;
  }
  void finish(Generated&& generated, std::exception_ptr thrown) {
    {
      const std::lock_guard lock(mutex);
      result = std::move(generated);
      error = std::move(thrown);
      done = true;
    }
    changed.notify_one();
  }
};

Generation::Generation(EngineQueue& queue, Job job, std::function<bool()> cancelled)
    : state_(std::make_shared<State>()), cancelled_(std::move(cancelled)) {
  // The future is not needed: the job hands its error over with its result.
  (void)queue.submit([state = state_, job = std::move(job)](Engine& engine) {
    Generated generated;
    std::exception_ptr error;
    try {
      if (!state->cancel && job.scope) {
        const auto scope = job.scope(engine);
        const std::lock_guard lock(state->mutex);
        state->scope = scope;
      }
      if (!state->cancel) {
        generated = engine.generate(job.prompt, job.options,
                                    [&](const GeneratedToken& token) { return state->put(token); });
      }
    } catch (...) {
      error = std::current_exception();
    }
    generated.tokens.clear();  // they were handed out one by one
    state->finish(std::move(generated), std::move(error));
  });
}

void Generation::cancel() { state_->cancel = true; }

std::optional<double> Generation::scope() const {
  const std::lock_guard lock(state_->mutex);
  return state_->scope;
}

Generation::~Generation() { state_->cancel = true; }

void Generation::wait_for_first() {
  constexpr std::chrono::milliseconds kTick{50};  // how long a client that has gone may go unseen
  const auto ready = [this] { return !state_->tokens.empty() || state_->done; };
  for (;;) {
    if (cancelled_()) {
      state_->cancel = true;
      throw Error(ErrorCode::Unavailable, "the answer was cancelled");
    }
    std::unique_lock lock(state_->mutex);
    if (!state_->changed.wait_for(lock, kTick, ready)) continue;
    if (state_->tokens.empty() && state_->error) std::rethrow_exception(state_->error);
    return;
  }
}

std::optional<GeneratedToken> Generation::next() {
  wait_for_first();
  const std::lock_guard lock(state_->mutex);
  if (state_->tokens.empty()) return std::nullopt;
  auto token = std::move(state_->tokens.front());
  state_->tokens.pop_front();
  return token;
}

const Generated& Generation::result() const {
  const std::lock_guard lock(state_->mutex);
  return state_->result;
}

}  // namespace crayon::server
