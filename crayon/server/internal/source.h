// Where the pieces of one free answer come from: the engine of this device, or the larger LLM.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "crayon/engine/engine.h"
#include "crayon/server/internal/answers.h"
#include "crayon/server/internal/generation.h"
#include "crayon/server/internal/server_call.h"

namespace crayon::server {

/// What is known of an answer at its end.
struct AnswerEnd {
  std::string finish = "stop";  ///< As the API says it.
  Usage usage{};
  std::int64_t money = 0;
};

class AnswerSource {
 public:
  AnswerSource() = default;
  AnswerSource(const AnswerSource&) = delete;
  AnswerSource& operator=(const AnswerSource&) = delete;
  virtual ~AnswerSource() = default;
  /// Waits for the next piece; none at the end. @throws as Generation::next(), ServerCall::next()
  [[nodiscard]] virtual std::optional<GeneratedToken> next() = 0;
  /// Ends it before its end, as far as it can be ended: what end() says is final then.
  virtual void abandon() = 0;
  /// After next() gave nothing, or abandon().
  [[nodiscard]] virtual AnswerEnd end() const = 0;
};

/// @param held  tokens that were taken from it already: they come first
[[nodiscard]] std::shared_ptr<AnswerSource> device_source(std::shared_ptr<Generation> generation,
                                                          std::vector<GeneratedToken> held = {});

/// Pieces have a text and nothing else. @param stops  where the answer ends; not every server knows
/// them
[[nodiscard]] std::shared_ptr<AnswerSource> server_source(std::unique_ptr<ServerCall> call,
                                                          std::vector<std::string> stops);

}  // namespace crayon::server
