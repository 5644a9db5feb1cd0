#include "crayon/engine/engine.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "crayon/base/error.h"

namespace crayon {
namespace {

class PromptList final : public PreparedPrompts {
 public:
  PromptList(std::span<const RenderedPrompt> list, bool with_states)
      : prompts(list.begin(), list.end()), states(with_states) {}
  [[nodiscard]] std::size_t bytes() const override {
    std::size_t bytes = 0;
    for (const RenderedPrompt& prompt : prompts) bytes += sizeof prompt + prompt.text.size();
    return bytes;
  }
  [[nodiscard]] double seconds() const override { return 0; }

  std::vector<RenderedPrompt> prompts;
  bool states;
};

}  // namespace

void Engine::check_ascending(std::span<const int> layers) {
  const bool ascend = std::ranges::adjacent_find(layers, std::greater_equal<>()) == layers.end();
  if (ascend && !layers.empty()) return;
  throw Error(ErrorCode::InvalidArgument,
              fmt::format("layers {}; expected at least one, ascending", fmt::join(layers, ", ")));
}

std::vector<Matrix> Engine::embed_layers(std::span<const RenderedPrompt> prompts,
                                         std::span<const int> layers, Pooling pooling,
                                         const std::function<void(std::size_t)>& on_done) {
  check_ascending(layers);
  std::vector<Matrix> result;
  for (const int layer : layers) {
    result.push_back(embed(prompts, {layer, pooling},
                           layer == layers.back() ? on_done : std::function<void(std::size_t)>{}));
  }
  return result;
}

std::unique_ptr<PreparedPrompts> Engine::prepare(std::span<const RenderedPrompt> prompts,
                                                 const PrepareOptions& options,
                                                 const OnPrompts& /*on_done*/) {
  return std::make_unique<PromptList>(prompts, options.states);
}

std::vector<ScoreResult> Engine::score_prepared(const PreparedPrompts& prompts,
                                                const OnPrompts& on_done) {
  std::vector<ScoreResult> results;
  const auto& list = dynamic_cast<const PromptList&>(prompts);
  for (const RenderedPrompt& prompt : list.prompts) {
    results.push_back(score({.prompt = prompt, .embed = false, .states = list.states}, {}));
    if (on_done) on_done(results.size());
  }
  return results;
}

}  // namespace crayon
