#include "crayon/session/device.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "crayon/base/error.h"
#include "crayon/session/scoring.h"
#include "crayon/session/server_side.h"

namespace crayon {

GenerateOptions free_answer(const Example& question, int max_tokens) {
  GenerateOptions options;
  options.max_tokens = max_tokens;
  if (question.kind == ExampleKind::Completion) options.stop = {"\n"};
  return options;
}

TaskOnDevice::TaskOnDevice(const Model& model, const OpenTask& task)
    : model_(model), file_(task.file), info_(task.info), format_(task.prompt) {
  if (!info_) return;
  base_fit_ = check_base(info_->base, model.base(), fmt::format("task '{}'", task.name));
  calibration_ = info_->calibration;
  server_ = info_->server;
  embeds_in_pass_ = task.first_layer >= info_->embedding.layer;
  if (info_->scope_examples.rows >= 2) scope_.emplace(info_->scope_examples, info_->scope);
}

void TaskOnDevice::set_on(Engine& engine) const {
  if (file_.empty()) {
    engine.set_adapters({});
  } else {
    engine.set_adapter_file(file_);
  }
}

std::vector<float> TaskOnDevice::embedding(std::span<const float> hidden) const {
  if (!info_ || hidden.empty() || info_->whitening.mean.empty()) return {};
  return whiten(info_->whitening, hidden);
}

RenderedPrompt TaskOnDevice::prompt(const Example& question) const {
  try {
    return render(format_, question, chat_template_of(model_));
  } catch (const Error& error) {
    if (error.code() != ErrorCode::Unsupported || question.kind != ExampleKind::Messages) throw;
  }
  RenderedPrompt plain;
  for (const ChatMessage& message : chat_of(question)) plain.text += message.content + "\n";
  return plain;
}

GenerateOptions TaskOnDevice::telling_scope(GenerateOptions options,
                                            std::function<void(double)> on_scope) const {
  if (!scope_) return options;
  options.embedding = info_->embedding;
  options.on_hidden = [this, tell = std::move(on_scope)](std::span<const float> hidden) {
    tell(scope_->p_value(embedding(hidden)));
  };
  return options;
}

std::size_t TaskOnDevice::scope_examples_needed(double level) const {
  if (!scope_) return 0;
  const std::size_t needed = crayon::scope_examples_needed(level, info_->scope);
  return scope_->examples().rows < needed ? needed : 0;
}

DeviceChoice TaskOnDevice::choose(Engine& engine, const Example& question) const {
  if (question.kind != ExampleKind::Choices || question.choices.size() < 2) {
    throw Error(ErrorCode::InvalidArgument, "a question with choices needs at least 2 of them");
  }
  return choose(engine, question, prompt(question));
}

DeviceChoice TaskOnDevice::choose(Engine& engine, const Example& question,
                                  const RenderedPrompt& prompt) const {
  const ScoreRequest request{.prompt = prompt,
                             .embed = info_ && embeds_in_pass_,
                             .states = info_ && !info_->head.choice_probe.empty()};
  ScoreResult scored = engine.score(request, info_ ? info_->embedding : EmbeddingSpec{});
  if (info_ && !embeds_in_pass_) {
    const Matrix hidden = engine.embed(std::span(&prompt, 1), info_->embedding);
    scored.hidden = hidden.data;
  }
  return judge(question, scored);
}

DeviceChoice TaskOnDevice::judge(const Example& question, const ScoreResult& scored) const {
  DeviceChoice out;
  const std::vector<float> z = embedding(scored.hidden);
  out.scores = mean_log_probs(scored);
  if (info_ && !info_->head.empty()) {
    out.scores = apply_head(info_->head, question.choices, out.scores, z, states_of(scored));
  }
  out.choice = static_cast<int>(std::ranges::max_element(out.scores) - out.scores.begin());
  out.raw = choice_signals(out.scores);
  std::optional<double> scope;
  if (scope_ && !z.empty()) scope = scope_->p_value(z);
  out.signals = signals(out.raw, scope);
  out.prompt_tokens = scored.prompt_tokens;
  const ScoredChoice& chosen = scored.choices[static_cast<std::size_t>(out.choice)];
  out.choice_tokens = static_cast<std::size_t>(chosen.tokens);
  out.cut_tokens = scored.cut_tokens;
  return out;
}

ChoiceSignals TaskOnDevice::raw_text_signals(std::span<const GeneratedToken> tokens) {
  if (tokens.empty()) return {.top = 0, .margin = 0, .entropy = 1, .free_text = true};
  std::vector<float> log_probs;
  log_probs.reserve(tokens.size());
  for (const GeneratedToken& token : tokens) log_probs.push_back(token.log_prob);
  return text_signals(log_probs);
}

Signals TaskOnDevice::signals(const ChoiceSignals& raw, std::optional<double> scope) const {
  Signals out{.confidence = confidence(calibration_, raw), .scope = scope};
  if (server_) out.server = confidence(*server_, raw);
  return out;
}

std::span<const double> TaskOnDevice::recent_scores() const {
  if (!info_) return {};
  return info_->recent_scores;
}

}  // namespace crayon
