// The Engine over llama.cpp. Sequence 0 of the context holds the prompt, 1 to max_choices hold the
// choices of a round, which share the prompt's cells.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "crayon/engine/engine.h"
#include "crayon/engine/internal/hidden_state.h"
#include "crayon/engine/internal/llama_handles.h"
#include "crayon/engine/internal/packed_scorers.h"

namespace crayon::internal {

class LlamaEngine final : public Engine {
 public:
  /// @throws Error InvalidArgument  an option out of range; Unavailable: no memory
  LlamaEngine(EngineModel model, const EngineOptions& options);

  Matrix embed(std::span<const RenderedPrompt> prompts, const EmbeddingSpec& spec,
               const std::function<void(std::size_t)>& on_done) override;
  std::vector<Matrix> embed_layers(std::span<const RenderedPrompt> prompts,
                                   std::span<const int> layers, Pooling pooling,
                                   const std::function<void(std::size_t)>& on_done) override;
  ScoreResult score(const ScoreRequest& request, const EmbeddingSpec& spec) override;
  std::unique_ptr<PreparedPrompts> prepare(std::span<const RenderedPrompt> prompts,
                                           const PrepareOptions& options,
                                           const OnPrompts& on_done) override;
  std::vector<ScoreResult> score_prepared(const PreparedPrompts& prompts,
                                          const OnPrompts& on_done) override;
  Generated generate(std::string_view prompt, const GenerateOptions& options,
                     const OnToken& on_token) override;
  Matrix logits(std::span<const int> tokens) override;
  void set_adapters(std::span<const BlendPart> parts) override;
  void set_adapter_file(const std::filesystem::path& file) override;
  void set_adapter_bytes(std::span<const std::byte> bytes, const std::string& name) override;
  /// Tokens computed so far, each as often as it was: what a call costs, for tests.
  [[nodiscard]] std::size_t tokens_read() const { return context_.tokens_read(); }

 private:
  enum class Outputs { None, Last, All };
  struct Branch {
    std::size_t choice;
    std::span<const int> tokens;
    std::size_t unscored;  ///< First tokens that belong to the prompt.
  };
  /// What is added up over the tokens of the choices.
  struct Sums {
    std::vector<double> log_probs;
    std::vector<ScoredChoice>& choices;  ///< For their states.
    bool states;
    /// How many tokens of a branch are read: the last one is only predicted, unless for its state.
    [[nodiscard]] std::size_t read(std::span<const int> branch) const {
      return states ? branch.size() : branch.size() - 1;
    }
  };
  class Capture;
  class Base;

  static void check_has_choices(const RenderedPrompt& prompt);
  void check_layer(int layer) const;
  /// Computes the tokens batch by batch; after each, `on_batch` gets its part of them. The first
  /// `kept` of them are in the cache already.
  void prefill(std::span<const int> tokens, Outputs outputs,
               const std::function<void(std::size_t begin, std::size_t end)>& on_batch = {},
               std::size_t kept = 0);
  /// How many first tokens of a prompt the cache still holds; the others are removed from it.
  std::size_t keep_shared(std::span<const int> tokens);
  /// [layers, d], with the adapter set aside by a Base of the caller.
  Matrix hidden_of_base(std::span<const int> tokens, std::span<const int> layers, Pooling pooling);
  void read_prompt(const ScoreRequest& request, const TokenizedChoices& tokens,
                   const EmbeddingSpec& spec, ScoreResult& result);
  void read_prompt(std::span<const int> tokens, const GenerateOptions& options);
  /// Does the pass over a prompt that is answered show the base's state too?
  [[nodiscard]] bool same_pass_embeds(const EmbeddingSpec& spec) const;
  std::vector<float> prefill_and_embed(std::span<const int> tokens, const EmbeddingSpec& spec);
  std::vector<float> embed_apart(std::span<const int> tokens, const EmbeddingSpec& spec);
  std::vector<double> score_first_tokens(const TokenizedChoices& tokens) const;
  void score_round(std::span<const Branch> round, std::size_t prefix, Sums& sums);
  void decode_branches(std::span<const Branch> round, std::size_t prefix, Sums& sums);
  /// log_sum_exp of a row of logits. @throws Error CorruptFile  it is not finite
  [[nodiscard]] double log_total(std::span<const float> row) const;
  /// @param gguf  the same adapter, whose numbers have this type
  void load_adapter(Adapter adapter, TensorType type, std::span<const std::byte> gguf,
                    const std::string& name);
  [[nodiscard]] Outputs outputs_for(int layer, Pooling pooling) const;

  EngineModel model_;
  EngineOptions options_;
  int context_tokens_;  ///< Longest prompt with its answer.
  std::size_t cells_;   ///< Of the KV cache: the prompt and a round's branches.
  Tokenize tokenize_;
  std::unique_ptr<HiddenState> hidden_;  ///< At a fixed address, which the context knows.
  CurrentAdapter adapter_;
  LlamaContext context_;  ///< Behind the adapter that it uses: freed before it.
  PackedScorers packed_;
  std::size_t last_entry_ = 0;  ///< Of the last batch of prefill().
  std::vector<int> cached_;     ///< Tokens whose keys and values the cache holds.
};

/// Outputs (rows of logits) in one decode call; each costs n_vocab floats in two buffers.
inline constexpr std::size_t kMaxOutputs = 128;

}  // namespace crayon::internal
