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

struct OpenAiApiOptions {
  std::string model_name;            ///< The only name that requests may give.
  int context_tokens = 2048;         ///< Of the engine: a chat without max_tokens may fill it.
  std::function<bool()> stopping{};  ///< Running answers end when this says so.
  Bookkeeping books{};
};

/// POST /v1/chat/completions, POST /v1/completions, GET /v1/models, GET /health. Requests wait in
/// the queue; a full one is answered 503. An answer ends when its client has gone.
///
/// Answers carry x-crayon-id, -side and -reason; a request that the policy blocks is answered 400.
///
/// A request with `guided_choice` is answered with the choice whose tokens have the greatest mean
/// log-prob behind the prompt; ties go to the first one.
class OpenAiApi {
 public:
  /// Model and queue are borrowed and must outlive the server that gets the routes.
  OpenAiApi(const Model& model, EngineQueue& queue, OpenAiApiOptions options);

  /// The handlers share what they need: this object may go.
  void add_routes(HttpServer& server) const;

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_;
};

}  // namespace crayon
