// An engine's scorers of prepared prompts: one for each lowest block, made when first needed.
#pragma once

#include <map>
#include <memory>
#include <span>
#include <vector>

#include "crayon/engine/internal/packed_scorer.h"

namespace crayon::internal {

class PackedScorers {
 public:
  /// Borrows both.
  PackedScorers(const EngineModel& model, const EngineOptions& options)
      : model_(model), options_(options) {}

  /// Engine::prepare. Where the model is not to be split, or cannot be, first_layer counts as 0.
  [[nodiscard]] std::unique_ptr<PreparedPrompts> prepare(std::span<const TokenizedChoices> prompts,
                                                         const PrepareOptions& options,
                                                         const OnPrompts& on_done);
  [[nodiscard]] std::vector<ScoreResult> score(const PackedPrompts& prompts,
                                               const CurrentAdapter& adapter,
                                               const OnPrompts& on_done);

 private:
  PackedScorer& scorer(int first_layer);

  const EngineModel& model_;
  const EngineOptions& options_;
  std::map<int, std::unique_ptr<PackedScorer>> scorers_;
};

}  // namespace crayon::internal
