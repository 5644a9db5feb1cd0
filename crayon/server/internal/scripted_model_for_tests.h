// A model whose answer is written in the test: which tokens come, what they wait for, what is
// asked.
#pragma once

#include <algorithm>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "crayon/base/error.h"
#include "crayon/engine/engine.h"

namespace crayon {

/// Set before the server starts; `calls` is read after the answers.
struct Script {
  std::vector<std::string> pieces = {"Hel", "lo", " world"};
  std::function<void(std::size_t)> before_token = [](std::size_t) {};  ///< On the engine's thread.
  std::map<std::string, ScoredChoice> scores{};  ///< By choice; others: -9 for one token.
  bool endless = false;                          ///< Repeat the last piece until cancelled.
  std::vector<float> hidden{};                   ///< Of every prompt.

  struct Call {
    std::string prompt;
    GenerateOptions options;
    FinishReason finish = FinishReason::Stop;
  };
  std::mutex mutex{};
  std::vector<Call> calls{};
  std::vector<RenderedPrompt> scored{};
  std::string adapter{};
  int embedded = 0;  ///< Prompts that got a pass of their own.
};

class ScriptedEngine : public Engine {
 public:
  explicit ScriptedEngine(std::shared_ptr<Script> script) : script_(std::move(script)) {}

  Generated generate(std::string_view prompt, const GenerateOptions& options,
                     const OnToken& on_token) override {
    if (prompt.find("too long") != std::string_view::npos) {
      throw Error(ErrorCode::InvalidArgument, "the prompt has 9 tokens, the context 8");
    }
    Generated out;
    out.prompt_tokens = prompt.size();
    if (options.on_hidden) options.on_hidden(script_->hidden);
    const auto& pieces = script_->pieces;
    for (std::size_t i = 0; script_->endless || i < pieces.size(); ++i) {
      if (!script_->endless && i == static_cast<std::size_t>(options.max_tokens)) {
        out.finish = FinishReason::Length;
        break;
      }
      script_->before_token(i);
      if (script_->endless) std::this_thread::sleep_for(std::chrono::microseconds(100));
      if (on_token(token(pieces[std::min(i, pieces.size() - 1)], i, options))) continue;
      out.finish = FinishReason::Cancelled;
      break;
    }
    const std::lock_guard lock(script_->mutex);
    script_->calls.push_back({std::string(prompt), options, out.finish});
    return out;
  }

  ScoreResult score(const ScoreRequest& request, const EmbeddingSpec&) override {
    ScoreResult out;
    out.prompt_tokens = request.prompt.text.size();
    {
      const std::lock_guard lock(script_->mutex);
      script_->scored.push_back(request.prompt);
    }
    for (const auto& choice : request.prompt.choices) {
      const auto found = script_->scores.find(choice);
      out.choices.push_back(found == script_->scores.end() ? ScoredChoice{-9, 1} : found->second);
    }
    return out;
  }

  void set_adapter_file(const std::filesystem::path& file) override { script_->adapter = file; }
  Matrix embed(std::span<const RenderedPrompt> prompts, const EmbeddingSpec&,
               const std::function<void(std::size_t)>&) override {
    Matrix out(prompts.size(), script_->hidden.size());
    for (std::size_t i = 0; i < out.rows; ++i)
      std::ranges::copy(script_->hidden, out.row(i).begin());
    const std::lock_guard lock(script_->mutex);
    script_->embedded += static_cast<int>(prompts.size());
    return out;
  }
  Matrix logits(std::span<const int>) override { return {}; }
  void set_adapters(std::span<const BlendPart>) override {}
  void set_adapter_bytes(std::span<const std::byte>, const std::string&) override {}

 private:
  // Token i has log-prob -(i + 1) / 2; its rivals follow it one by one.
  static GeneratedToken token(const std::string& text, std::size_t i,
                              const GenerateOptions& options) {
    GeneratedToken out;
    out.id = static_cast<int>(i);
    out.text = text;
    out.log_prob = -0.5f * static_cast<float>(i + 1);
    for (int k = 0; k < options.top_log_probs; ++k) {
      const auto name = k == 0 ? text : "rival" + std::to_string(k);
      out.top.push_back({k, name, out.log_prob - static_cast<float>(k)});
    }
    return out;
  }

  std::shared_ptr<Script> script_;
};

class ScriptedModel : public Model {
 public:
  explicit ScriptedModel(std::shared_ptr<Script> script) : script_(std::move(script)) {}

  const BaseModel& base() const override { return base_; }
  int context_trained() const override { return 64; }
  std::vector<int> tokenize(std::string_view, bool, bool) const override { return {}; }
  std::string detokenize(std::span<const int>) const override { return {}; }
  std::string apply_chat_template(const std::vector<ChatMessage>& messages, bool) const override {
    std::string text;
    for (const auto& message : messages) text += message.role + ":" + message.content + "|";
    return text;
  }
  std::unique_ptr<Engine> open_engine(const EngineOptions&) override {
    return std::make_unique<ScriptedEngine>(script_);
  }
  FloatTensor tensor(const std::string&) const override { return {}; }
  double hyperparameter(const std::string&) const override { return 0; }

 private:
  BaseModel base_;
  std::shared_ptr<Script> script_;
};

}  // namespace crayon
