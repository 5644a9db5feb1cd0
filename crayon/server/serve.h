// An OpenAI-compatible server over the model on this device: POST /v1/chat/completions and
// /v1/completions (streamed or not), GET /v1/models and /health. One engine answers in order.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>

#include "crayon/engine/engine.h"
#include "crayon/server/bookkeeping.h"

namespace crayon {

struct ServeOptions {
  std::string host = "127.0.0.1";
  int port = 8080;           ///< 0 picks a free one.
  std::string key{};         ///< Bearer token; required when host is not loopback.
  std::string model_name{};  ///< What clients call it: "crayon:my-task", or the base model's name.
  std::filesystem::path adapter{};  ///< LoRA file (a task) to answer with; "" is the base alone.
  EngineOptions engine{};
  std::size_t queue = 64;  ///< Requests that may wait; more are answered 503.
  Bookkeeping books{};     ///< What it borrows must outlive the server.
};

/// What ApiServer would refuse of host, port, key and queue, for callers that open a large model
/// for it. @throws Error InvalidArgument
void check_access(const ServeOptions& options);

class ApiServer {
 public:
  /// Opens an engine of `model` and sets the adapter; nothing listens yet.
  /// @throws Error InvalidArgument  host beyond loopback and no key, no model name, bad port
  /// @throws Error NotFound, CorruptFile, Incompatible  the adapter
  ApiServer(std::shared_ptr<Model> model, const ServeOptions& options);
  ApiServer(const ApiServer&) = delete;
  ApiServer& operator=(const ApiServer&) = delete;
  ~ApiServer();  ///< Stops.

  /// Listens on threads of its own; returns the port. @throws Error Unavailable  port taken
  int start();
  /// Cancels running answers, lets requests end, closes. May be called twice.
  void stop();
  [[nodiscard]] std::string url() const;  ///< "http://127.0.0.1:8080"; valid after start().

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace crayon
