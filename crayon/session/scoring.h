// Many examples through one engine: rendered, embedded, scored, with progress and Ctrl-C.
//   score of a choice = mean log-prob of its tokens
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "crayon/base/error.h"
#include "crayon/engine/engine.h"
#include "crayon/prompt/example.h"
#include "crayon/prompt/prompt.h"

namespace crayon {

/// How far a step of a longer job is.
struct StepProgress {
  std::string step;  ///< "embed", "score base", "refine 3 of 10"
  std::size_t done = 0;
  std::size_t total = 0;
};
using OnProgress = std::function<void(const StepProgress&)>;

/// The model's own chat template as a function; borrows the model.
[[nodiscard]] ChatTemplate chat_template_of(const Model& model);

/// @throws Error Unsupported  an example is a chat and the model has no template
[[nodiscard]] std::vector<RenderedPrompt> render_all(const Model& model, const PromptFormat& format,
                                                     std::span<const Example> examples);

/// The same error with the example that it is about before it.
[[nodiscard]] Error about_example(const std::string& id, const Error& error);

/// How many examples lose a part of their passage in a context of so many tokens.
/// @throws Error InvalidArgument  one does not fit even so: names its id
[[nodiscard]] std::size_t count_cut(const Model& model, std::span<const Example> examples,
                                    std::span<const RenderedPrompt> prompts, int context_tokens);

/// @return scores, one a choice
[[nodiscard]] std::vector<float> mean_log_probs(const ScoreResult& result);
/// @return [choices, d]; empty where states were not asked for
[[nodiscard]] Matrix states_of(const ScoreResult& result);

/// What prompts with choices came to, in their order.
struct ScoredPrompts {
  std::vector<std::vector<float>> scores;  ///< One a choice.
  std::vector<Matrix> states;              ///< [choices, d]; none unless prepared with them.
};

/// Scores prompts that the engine has prepared with the adapter that is set.
/// @param progress  the step's name and the number of prompts
/// @throws Interrupted  on Ctrl-C, between two passes
[[nodiscard]] ScoredPrompts score_all(Engine& engine, const PreparedPrompts& prompts,
                                      StepProgress progress, const OnProgress& on_progress = {});

}  // namespace crayon
