#include "crayon/engine/engine.h"

namespace crayon {
namespace {

class PromptList final : public PreparedPrompts {
 public:
  explicit PromptList(std::span<const RenderedPrompt> list) : prompts(list.begin(), list.end()) {}
  [[nodiscard]] std::size_t bytes() const override {
    std::size_t bytes = 0;
    for (const RenderedPrompt& prompt : prompts) bytes += sizeof prompt + prompt.text.size();
    return bytes;
  }
  [[nodiscard]] double seconds() const override { return 0; }

  std::vector<RenderedPrompt> prompts;
};

}  // namespace

std::unique_ptr<PreparedPrompts> Engine::prepare(std::span<const RenderedPrompt> prompts,
                                                 int /*first_layer*/,
                                                 const OnPrompts& /*on_done*/) {
  return std::make_unique<PromptList>(prompts);
}

std::vector<ScoreResult> Engine::score_prepared(const PreparedPrompts& prompts,
                                                const OnPrompts& on_done) {
  std::vector<ScoreResult> results;
  for (const RenderedPrompt& prompt : dynamic_cast<const PromptList&>(prompts).prompts) {
    results.push_back(score({.prompt = prompt, .embed = false}, {}));
    if (on_done) on_done(results.size());
  }
  return results;
}

}  // namespace crayon
