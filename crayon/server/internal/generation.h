// One answer being written: the engine's thread puts tokens in, the connection's thread takes them
// out.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "crayon/engine/engine.h"
#include "crayon/engine/queue.h"

namespace crayon::server {

/// A slow client never holds the engine up: tokens wait here, as many as the answer has.
class Generation {
 public:
  struct Job {
    std::string prompt{};
    GenerateOptions options{};
  };
  /// Puts the job into the queue. `cancelled` is asked on the thread that calls next().
  /// @throws Error Unavailable  the queue is full
  Generation(EngineQueue& queue, Job job, std::function<bool()> cancelled);
  Generation(const Generation&) = delete;
  Generation& operator=(const Generation&) = delete;
  ~Generation();  ///< Cancels; the engine may be at its last token for a moment longer.

  /// Waits for the next token and takes it; nothing at the end of the answer.
  /// @throws what the engine threw; Error Unavailable when the client has gone or the server stops
  [[nodiscard]] std::optional<GeneratedToken> next();
  /// Waits until there is a token, or the end: what the engine throws before comes out here.
  void wait_for_first();
  void cancel();
  /// After next() gave nothing: the answer without its tokens.
  [[nodiscard]] Generated result() const;

 private:
  struct State;
  std::shared_ptr<State> state_;  ///< Shared with the job, which may outlive this.
  std::function<bool()> cancelled_;
};

}  // namespace crayon::server
