// Scores prepared prompts: many prompts a pass, and only the crown under each adapter.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "crayon/engine/internal/engine_model.h"
#include "crayon/engine/internal/hidden_state.h"
#include "crayon/engine/internal/packing.h"

namespace crayon::internal {

class PackedPrompts final : public PreparedPrompts {
 public:
  [[nodiscard]] std::size_t bytes() const override;
  [[nodiscard]] double seconds() const override { return seconds_; }
  [[nodiscard]] int first_layer() const { return first_layer_; }

 private:
  friend class PackedScorer;
  int first_layer_ = 0;
  double seconds_ = 0;
  std::vector<PackedPass> passes_;
  std::vector<Matrix> hidden_;         ///< [tokens, d] of each pass; none where tokens are read.
  std::vector<ScoreResult> unscored_;  ///< With the numbers of tokens.
};

/// For one lowest block that adapters change. Not thread-safe.
class PackedScorer {
 public:
  /// @param first_layer  0: adapters may change all blocks, and nothing is worked out beforehand
  /// @throws Error Unavailable  no memory
  PackedScorer(const EngineModel& model, const EngineOptions& options, int first_layer);

  [[nodiscard]] std::unique_ptr<PreparedPrompts> prepare(std::span<const TokenizedChoices> prompts,
                                                         bool states, const OnPrompts& on_done);
  [[nodiscard]] std::vector<ScoreResult> score(const PackedPrompts& prompts,
                                               const OnPrompts& on_done);

  /// @throws Error Incompatible  it changes a block below
  void set_adapter(const CurrentAdapter& adapter);

 private:
  [[nodiscard]] Matrix read_trunk(const PackedPass& pass);
  void decode(LlamaBatch& batch, const PackedPass& pass, std::vector<ScoreResult>& results);
  void read_pass(const PackedPass& pass, std::vector<ScoreResult>& results);

  EngineModel model_;
  int first_layer_;
  PackLimits limits_;
  std::string adapter_name_;
  std::uint64_t adapter_version_ = 0;            ///< Of the adapter that the context has.
  HiddenState hidden_;                           ///< At a fixed address, which the contexts know.
  std::shared_ptr<const LlamaModel> crown_;      ///< The whole model where first_layer is 0.
  std::unique_ptr<LlamaContext> trunk_;          ///< Null there.
  std::shared_ptr<const LlamaAdapter> adapter_;  ///< Null: the base alone.
  std::unique_ptr<LlamaContext> context_;        ///< Of the crown. Last: freed before the adapter.
};

}  // namespace crayon::internal
