// One answer of the API, from a checked request to its JSON: who speaks, and how it is written.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "crayon/engine/queue.h"
#include "crayon/server/internal/entry.h"
#include "crayon/server/openai_api.h"

namespace crayon::server {

/// What the handlers share. Safe from several threads.
class Routes {
 public:
  Routes(const Model& model, EngineQueue& queue, OpenAiApiOptions options);

  /// @throws Error  as the routes of OpenAiApi are answered
  [[nodiscard]] ServerResponse answer(const ApiRequest& request, const ServerRequest& http);
  [[nodiscard]] std::string models() const;
  [[nodiscard]] std::string metrics() const;

 private:
  using Cancelled = std::function<bool()>;

  [[nodiscard]] ServerResponse write(const ApiRequest& request, const Cancelled& cancelled,
                                     Entry& entry);
  [[nodiscard]] ServerResponse whole(const ApiRequest& request, AnswerSource& source, Entry& entry);
  [[nodiscard]] ServerResponse stream(const ApiRequest& request,
                                      std::shared_ptr<AnswerSource> source,
                                      const Cancelled& cancelled, const Entry& entry);
  [[nodiscard]] ServerResponse choose(const ApiRequest& request, const Cancelled& cancelled,
                                      Entry& entry);
  /// The side that the router chooses; the device where the server says no word.
  [[nodiscard]] std::shared_ptr<AnswerSource> routed(const ApiRequest& request,
                                                     const Cancelled& cancelled, Entry& entry);
  /// The server's answer, when its first word is there; null when it failed.
  [[nodiscard]] std::shared_ptr<AnswerSource> ask_server(const ApiRequest& request,
                                                         const GenerateOptions& options,
                                                         const Cancelled& cancelled, Entry& entry);
  /// Its choice; false when the device's stands.
  [[nodiscard]] bool server_choice(const ApiRequest& request, const Cancelled& cancelled,
                                   Entry& entry, std::size_t& index, AnswerEnd& end);
  [[nodiscard]] Cancelled cancelled_by(const ServerRequest& http) const;
  [[nodiscard]] std::string prompt_of(const ApiRequest& request) const;
  [[nodiscard]] GenerateOptions generate_options(const ApiRequest& request) const;
  [[nodiscard]] AnswerHead head(const ApiRequest& request);
  void check_model(const std::string& name) const;

  const Model& model_;
  EngineQueue& queue_;
  OpenAiApiOptions options_;
  Switchboard board_;
  std::int64_t started_;
  std::atomic<std::uint64_t> answers_ = 0;
};

}  // namespace crayon::server
