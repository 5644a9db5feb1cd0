// How a choice's score is made, and rows scored by the model with everything cached that can be.
#pragma once

#include <list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "crayon/adapter/adapter.h"
#include "crayon/base/matrix.h"
#include "crayon/bench/result_store.h"
#include "crayon/bench/task.h"
#include "crayon/engine/engine.h"
#include "crayon/session/candidates.h"
#include "crayon/session/scoring.h"

namespace crayon {

enum class Scoring {
  Mean,       ///< Mean log-prob of a choice's tokens: the default, and what `crayon ask` does.
  Sum,        ///< Summed log-prob (acc of lm-evaluation-harness).
  Character,  ///< Summed log-prob over the choice's characters (its acc_norm).
  Letter,     ///< Choices are listed in the prompt; log-prob of the choice's letter.
};
/// "mean", "sum", "character", "letter". @throws Error InvalidArgument  another name
[[nodiscard]] Scoring parse_scoring(const std::string& name);
[[nodiscard]] std::string to_string(Scoring scoring);

/// What the model reads for a row. @param shots  answered rows that stand before it
/// @throws Error InvalidArgument  more choices than letters, for Scoring::Letter
[[nodiscard]] RenderedPrompt bench_prompt(const Model& model, const PromptFormat& format,
                                          const BenchRow& row, Scoring scoring,
                                          std::span<const BenchRow> shots = {});

/// The score of a choice of a row. @param text  the choice itself, without a prefix
[[nodiscard]] float choice_score(Scoring scoring, const ScoredChoice& choice,
                                 const std::string& text);

/// Rows scored under one adapter.
struct RowScores {
  ScoreTable scores;              ///< [rows][choices]
  std::vector<Matrix> states;     ///< [choices, d] of each row, when asked for.
  double seconds = 0;             ///< When they were worked out; the same when found again.
  std::size_t prompt_tokens = 0;  ///< Of all rows; what rows share is counted for each.
  std::size_t tokens = 0;         ///< With those of the choices.
  std::size_t cut_rows = 0;       ///< Whose passage was cut to fit the context.
  /// Indices of rows whose reply named no choice, ascending; their scores are all 0.
  std::vector<std::size_t> unparsed;
};

struct ScorerOptions {
  Scoring scoring = Scoring::Mean;
  int context_tokens = 2048;
  bool exact = false;  ///< Of the engine: its results are kept apart from others.
  /// The lowest block that the pool's adapters change: what the blocks below make of a row is
  /// worked out once for all adapters. One that changes a lower block costs whole passes.
  int first_layer = 0;
};

/// Scores and embeds rows; looks in the store first. Borrows all it is given.
class BenchScorer {
 public:
  BenchScorer(const Model& model, Engine& engine, const PromptFormat& format,
              const ResultStore& store, const ScorerOptions& options);

  /// @param adapter  null: the base alone. It is rounded to F16, as a task's file is.
  /// @param shots    before every row, as many as leave room for the longest row
  /// @throws Error InvalidArgument  a row that does not fit (names its id); Interrupted
  [[nodiscard]] RowScores score(const Adapter* adapter, const std::vector<BenchRow>& rows,
                                std::span<const BenchRow> shots = {});
  /// The same with the choices' states. The store does not keep these: they are large, and one
  /// method's.
  [[nodiscard]] RowScores score_with_states(const Adapter* adapter,
                                            const std::vector<BenchRow>& rows);

  /// Hidden states of the base, [rows, d].
  [[nodiscard]] Matrix embed(const std::vector<BenchRow>& rows, const EmbeddingSpec& spec);
  /// The same at several layers, ascending: one matrix each. One method's, so the store keeps none.
  [[nodiscard]] std::vector<Matrix> embed_layers(const std::vector<BenchRow>& rows,
                                                 std::span<const int> layers, Pooling pooling);

  /// How many of these shots score() puts before the rows.
  [[nodiscard]] std::size_t fitting_shots(const std::vector<BenchRow>& rows,
                                          std::span<const BenchRow> shots) const;

  /// Seconds that were not spent because the store had the result, since the last call: what a step
  /// would have taken without it.
  [[nodiscard]] double take_saved_seconds() { return std::exchange(saved_seconds_, 0.0); }

  void on_progress(OnProgress on_progress) { on_progress_ = std::move(on_progress); }
  [[nodiscard]] const Model& model() const { return model_; }
  [[nodiscard]] Engine& engine() { return engine_; }
  [[nodiscard]] const PromptFormat& format() const { return format_; }
  [[nodiscard]] Scoring scoring() const { return options_.scoring; }

 private:
  /// Rows that were made ready for the engine, by the hash of their prompts and the lowest block.
  struct Ready {
    std::string key;
    std::unique_ptr<PreparedPrompts> prompts;
  };

  [[nodiscard]] nlohmann::json common_key(const std::vector<BenchRow>& rows) const;
  /// What the adapter that is set makes of the rows.
  [[nodiscard]] RowScores run(const std::vector<BenchRow>& rows, const PrepareOptions& options);
  /// The same one by one, behind the shots.
  [[nodiscard]] RowScores run_behind(const std::vector<BenchRow>& rows,
                                     std::span<const BenchRow> shots);
  [[nodiscard]] const PreparedPrompts& ready(const std::vector<BenchRow>& rows,
                                             const PrepareOptions& options);
  [[nodiscard]] std::unique_ptr<PreparedPrompts> prepare(const std::vector<BenchRow>& rows,
                                                         const PrepareOptions& options);
  /// A method's adapter as a task's file has it; none for the base.
  [[nodiscard]] std::vector<std::byte> file_of(const Adapter* adapter) const;
  /// Sets it. @return  the lowest block that it changes; the pool's or 0
  int set(const Adapter* adapter, std::span<const std::byte> file);
  void add(const BenchRow& row, const ScoreResult& result, RowScores& to) const;
  [[nodiscard]] std::vector<RenderedPrompt> prompts_of(const std::vector<BenchRow>& rows) const;
  [[nodiscard]] OnPrompts progress(const std::string& step, std::size_t total) const;

  const Model& model_;
  Engine& engine_;
  const PromptFormat& format_;
  const ResultStore& store_;
  ScorerOptions options_;
  std::list<Ready> ready_;  ///< The one used last comes first.
  double saved_seconds_ = 0;
  OnProgress on_progress_;
};

}  // namespace crayon
