// The device's side of one request: what a task knows, applied to what the engine said.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "crayon/engine/engine.h"
#include "crayon/formats/task_file.h"
#include "crayon/gate/scope.h"
#include "crayon/prompt/example.h"
#include "crayon/router/router.h"
#include "crayon/session/tasks.h"

namespace crayon {

/// The device's answer to a question with choices.
struct DeviceChoice {
  int choice = 0;
  std::vector<float> scores;  ///< One a choice, head applied.
  ChoiceSignals raw;          ///< What the confidence was made of.
  Signals signals;            ///< Confidence and scope.
  std::size_t prompt_tokens = 0;
  std::size_t choice_tokens = 0;  ///< Of the choice.
  std::size_t cut_tokens = 0;     ///< Of the passage, cut to fit the context.
};

/// Tokens of a free answer, at most, and how many of them are looked at before it is decided which
/// side speaks.
inline constexpr int kAnswerTokens = 256;
inline constexpr std::size_t kHoldBackTokens = 24;

/// How a free answer to this question is written, the same for every caller: a completion ends with
/// its line, a chat where the model ends it.
[[nodiscard]] GenerateOptions free_answer(const Example& question, int max_tokens = kAnswerTokens);

/// A task on one model: borrows the model, owns what it needs of the task. Works without TaskInfo
/// (the base, LoRA files of other tools): the default prompt, no scope, no head. Not thread-safe.
class TaskOnDevice {
 public:
  /// @throws Error Incompatible  the task was made for another base model
  TaskOnDevice(const Model& model, const OpenTask& task);

  /// Sets the task's adapter on an engine, or none.
  void set_on(Engine& engine) const;

  /// @throws Error InvalidArgument  the question has no choices, or does not fit the context
  [[nodiscard]] DeviceChoice choose(Engine& engine, const Example& question) const;
  /// The same behind a prompt that the caller wrote; one choice is enough.
  /// @throws Error InvalidArgument  there is none, or it does not fit the context
  [[nodiscard]] DeviceChoice choose(Engine& engine, const Example& question,
                                    const RenderedPrompt& prompt) const;
  /// What the scores mean for this task; `hidden` may be empty (then no scope, no probe).
  /// @throws Error InvalidArgument  the task has a choice probe and the choices have no states
  [[nodiscard]] DeviceChoice judge(const Example& question, const ScoreResult& scored) const;
  /// What the log-probs of a free text's tokens say; of none: the least.
  [[nodiscard]] static ChoiceSignals raw_text_signals(std::span<const GeneratedToken> tokens);
  /// What raw signals mean for this task: its confidence, and the server's chance where it is
  /// known.
  [[nodiscard]] Signals signals(const ChoiceSignals& raw, std::optional<double> scope) const;

  /// The text to write on from. A chat is put through the model's template; where the model has
  /// none, its turns are joined by line breaks.
  [[nodiscard]] RenderedPrompt prompt(const Example& question) const;
  /// With these options generate() also tells the p-value of its prompt, on the engine's thread and
  /// before the first token; without scope examples nothing is told, or read. Borrows the task.
  [[nodiscard]] GenerateOptions telling_scope(GenerateOptions options,
                                              std::function<void(double)> on_scope) const;

  /// How many scope examples it takes before a p-value can fall below `level`, where the task has
  /// a scope of fewer; else 0.
  [[nodiscard]] std::size_t scope_examples_needed(double level) const;

  /// Does it know a prompt format of its own, and what its scores mean?
  [[nodiscard]] bool customised() const { return info_.has_value(); }
  [[nodiscard]] BaseFit base_fit() const { return base_fit_; }
  [[nodiscard]] Policy policy() const { return info_ ? info_->policy : Policy{}; }
  /// Router scores to start a threshold from.
  [[nodiscard]] std::span<const double> recent_scores() const;

 private:
  [[nodiscard]] std::vector<float> embedding(std::span<const float> hidden) const;

  const Model& model_;
  std::filesystem::path file_;
  std::optional<TaskInfo> info_;
  std::optional<Scope> scope_;
  PromptFormat format_;
  Calibration calibration_;
  std::optional<Calibration> server_;  ///< P(the server is right).
  bool embeds_in_pass_ = false;        ///< The scoring pass gives the base's hidden state too.
  BaseFit base_fit_ = BaseFit::Same;
};

}  // namespace crayon
