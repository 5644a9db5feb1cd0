#include "crayon/session/scoring.h"

#include "crayon/base/interrupt.h"

namespace crayon {

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

std::vector<float> mean_log_probs(const ScoreResult& result) {
  std::vector<float> scores;
  scores.reserve(result.choices.size());
  for (const ScoredChoice& choice : result.choices) scores.push_back(choice.mean_log_prob());
  return scores;
}

std::vector<std::vector<float>> score_all(Engine& engine, std::span<const RenderedPrompt> prompts,
                                          const std::string& step, const OnProgress& on_progress) {
  std::vector<std::vector<float>> scores(prompts.size());
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    throw_if_interrupted();
    if (!prompts[i].choices.empty()) {
      scores[i] = mean_log_probs(engine.score({.prompt = prompts[i], .embed = false}, {}));
    }
    if (on_progress) on_progress({step, i + 1, prompts.size()});
  }
  return scores;
}

}  // namespace crayon
