#include "crayon/engine/internal/packed_scorers.h"

#include "crayon/engine/internal/crown.h"

namespace crayon::internal {

PackedScorer& PackedScorers::scorer(int first_layer) {
  auto& found = scorers_[first_layer];
  if (!found) found = std::make_unique<PackedScorer>(model_, options_, first_layer);
  return *found;
}

std::unique_ptr<PreparedPrompts> PackedScorers::prepare(std::span<const TokenizedChoices> prompts,
                                                        const PrepareOptions& options,
                                                        const OnPrompts& on_done) {
  const int first_layer = options.first_layer;
  const bool splits = options_.splits && first_layer > 0 &&
                      first_layer < model_.keep->base().n_layers && has_crown(*model_.gguf);
  return scorer(splits ? first_layer : 0).prepare(prompts, options.states, on_done);
}

std::vector<ScoreResult> PackedScorers::score(const PackedPrompts& prompts,
                                              const CurrentAdapter& adapter,
                                              const OnPrompts& on_done) {
  PackedScorer& here = scorer(prompts.first_layer());
  here.set_adapter(adapter);
  return here.score(prompts, on_done);
}

}  // namespace crayon::internal
