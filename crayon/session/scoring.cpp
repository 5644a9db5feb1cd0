#include "crayon/session/scoring.h"

#include <fmt/format.h>

#include <algorithm>

#include "crayon/base/interrupt.h"

namespace crayon {
namespace {

/// Every token stands for a byte or more, but for a few at the start.
bool surely_fits(const RenderedPrompt& prompt, std::size_t context_tokens) {
  constexpr std::size_t kAtTheStart = 8;
  std::size_t longest = 0;
  for (const std::string& choice : prompt.choices) longest = std::max(longest, choice.size());
  return prompt.text.size() + longest + kAtTheStart <= context_tokens;
}

}  // namespace

ChatTemplate chat_template_of(const Model& model) {
  return [&model](const std::vector<ChatMessage>& messages) {
    return model.apply_chat_template(messages);
  };
}

std::vector<RenderedPrompt> render_all(const Model& model, const PromptFormat& format,
                                       std::span<const Example> examples) {
  const ChatTemplate chat = chat_template_of(model);
  std::vector<RenderedPrompt> prompts;
  prompts.reserve(examples.size());
  for (const Example& example : examples) prompts.push_back(render(format, example, chat));
  return prompts;
}

Error about_example(const std::string& id, const Error& error) {
  return {error.code(), fmt::format("example '{}': {}", id, error.what())};
}

std::size_t count_cut(const Model& model, std::span<const Example> examples,
                      std::span<const RenderedPrompt> prompts, int context_tokens) {
  const Tokenize tokenize = prompt_tokenizer(model);
  const auto context = static_cast<std::size_t>(context_tokens);
  std::size_t cut = 0;
  for (std::size_t k = 0; k < prompts.size(); ++k) {
    if (surely_fits(prompts[k], context)) continue;
    try {
      if (tokenize_choices(prompts[k], tokenize, context).cut_tokens > 0) ++cut;
    } catch (const Error& error) {
      throw about_example(examples[k].id, error);
    }
  }
  return cut;
}

std::vector<float> mean_log_probs(const ScoreResult& result) {
  std::vector<float> scores;
  scores.reserve(result.choices.size());
  for (const ScoredChoice& choice : result.choices) scores.push_back(choice.mean_log_prob());
  return scores;
}

Matrix states_of(const ScoreResult& result) {
  Matrix states;
  for (const ScoredChoice& choice : result.choices) {
    if (choice.state.empty()) return {};
    states.data.insert(states.data.end(), choice.state.begin(), choice.state.end());
    states.cols = choice.state.size();
    ++states.rows;
  }
  return states;
}

ScoredPrompts score_all(Engine& engine, const PreparedPrompts& prompts, StepProgress progress,
                        const OnProgress& on_progress) {
  const auto results = engine.score_prepared(prompts, [&](std::size_t done) {
    throw_if_interrupted();
    progress.done = done;
    if (on_progress) on_progress(progress);
  });
  ScoredPrompts scored;
  for (const ScoreResult& result : results) {
    scored.scores.push_back(mean_log_probs(result));
    if (Matrix states = states_of(result); states.rows > 0) {
      scored.states.push_back(std::move(states));
    }
  }
  return scored;
}

}  // namespace crayon
