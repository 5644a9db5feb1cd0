// The routes of the OpenAI-compatible API over one engine, with vLLM's `guided_choice`.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "crayon/engine/engine.h"
#include "crayon/engine/queue.h"
#include "crayon/http/server.h"
#include "crayon/server/bookkeeping.h"

namespace crayon {

namespace server {
class Routes;
}

struct OpenAiApiOptions {
  std::string model_name;            ///< The only name that requests may give.
  int context_tokens = 2048;         ///< Of the engine: a chat without max_tokens may fill it.
  std::function<bool()> stopping{};  ///< Running answers end when this says so.
  Bookkeeping books{};
};

/// POST /v1/chat/completions, POST /v1/completions, GET /v1/models, GET /metrics, GET /health.
/// Requests wait in the queue; a full one is answered 503. An answer ends when its client has gone.
///
/// With a larger LLM (Bookkeeping::remote) each request that may leave is answered by the device or
/// by it, as the router decides from the device's first tokens or scores. That is decided before
/// the first byte: a server that fails before its first word is replaced by the device, one that
/// breaks off behind it ends the stream with an error event. The engine is free meanwhile. The
/// server gets the messages, max_tokens and the temperature; stops are applied here. Requests with
/// log-probs, and those marked by the header x-crayon-local, stay.
///
/// Answers carry x-crayon-id, -side and -reason, and -confidence and -scope where these were known
/// at the first byte; a request that the policy blocks is answered 400.
///
/// A request with `guided_choice` is answered with the choice whose tokens have the greatest mean
/// log-prob behind the prompt, the task's head applied as in `crayon ask`; ties go to the first
/// one. With a customised task a chat is put as the task's own examples were: its last message is
/// the question, what stands before it the passage. A completion's prompt is taken as it is.
class OpenAiApi {
 public:
  /// Model and queue are borrowed and must outlive the server that gets the routes.
  OpenAiApi(const Model& model, EngineQueue& queue, OpenAiApiOptions options);

  /// The handlers share what they need: this object may go.
  void add_routes(HttpServer& server) const;

 private:
  std::shared_ptr<server::Routes> routes_;  ///< Shared with the handlers.
};

}  // namespace crayon
