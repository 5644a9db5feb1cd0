#include "crayon/server/internal/generation.h"

#include "crayon/server/internal/handover.h"

namespace crayon::server {

struct Generation::State : Handover<GeneratedToken, Generated> {};

Generation::Generation(EngineQueue& queue, Job job, std::function<bool()> cancelled)
    : state_(std::make_shared<State>()), cancelled_(std::move(cancelled)) {
  // The future is not needed: the job hands its error over with its result.
  (void)queue.submit([state = state_, job = std::move(job)](Engine& engine) {
    Generated generated;
    std::exception_ptr error;
    try {
      if (!state->cancelled()) {
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

void Generation::cancel() { state_->cancel(); }

Generation::~Generation() { state_->cancel(); }

void Generation::wait_for_first() { state_->wait_for_first(cancelled_); }

std::optional<GeneratedToken> Generation::next() { return state_->next(cancelled_); }

Generated Generation::result() const { return state_->result(); }

}  // namespace crayon::server
