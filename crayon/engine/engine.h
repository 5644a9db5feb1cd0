// Running the base model: the interface that everything above uses, and its llama.cpp.
// A Model is weights and tokenizer, shared and read-only; an Engine is one context of it with at
// most one set of adapters. One thread owns an Engine; others reach it through an EngineQueue.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "crayon/adapter/blend.h"
#include "crayon/base/matrix.h"
#include "crayon/formats/base_model.h"
#include "crayon/gate/gate.h"
#include "crayon/prompt/prompt.h"

namespace crayon {

struct EngineOptions {
  int threads = 0;            ///< 0: one for each core.
  int context_tokens = 2048;  ///< Longest prompt with its answer; no more than the model's own.
  bool exact = false;         ///< F32 KV cache, no flash attention: for parity tests.
  int max_choices = 32;       ///< Choices scored in one batch; more take more rounds.
  int batch_tokens = 512;     ///< Tokens a pass.
  /// score() keeps what a prompt shares with the one before when it is at least so many tokens (few
  /// examples before many questions); 0: never. Scores then depend, in the last digits, on order.
  int reuse_from = 0;
  /// prepare() works out once what no adapter changes; costs memory for the weights of the upper
  /// blocks and for the adapter's numbers.
  bool splits = false;
};

struct ScoreRequest {
  RenderedPrompt prompt;  ///< With at least one choice.
  bool embed = false;     ///< Also return the hidden state of the same pass.
  bool states = false;    ///< Also return the choices' own states; a token more for each.
};
struct ScoredChoice {
  float sum_log_prob = 0;
  int tokens = 0;
  /// [d], when asked for: what the model's last norm puts out, with the adapter that is set, mean
  /// over the choice's tokens.
  std::vector<float> state = {};
  [[nodiscard]] float mean_log_prob() const { return sum_log_prob / static_cast<float>(tokens); }
};
struct ScoreResult {
  std::vector<ScoredChoice> choices;
  std::vector<float> hidden;  ///< [d] of the base alone, when asked for. Costs a second pass if
                              ///< the adapter changes blocks below the embedding's layer.
  std::size_t prompt_tokens = 0;
  std::size_t cut_tokens = 0;  ///< Tokens of the passage that were cut to fit.
};

/// Prompts with choices that Engine::prepare has made ready to be scored under one adapter after
/// another. Belongs to the engine that made it.
class PreparedPrompts {
 public:
  virtual ~PreparedPrompts() = default;
  [[nodiscard]] virtual std::size_t bytes() const = 0;  ///< Of memory that it holds, about.
  [[nodiscard]] virtual double seconds() const = 0;     ///< That preparing took.
};
struct PrepareOptions {
  int first_layer = 0;  ///< The lowest block that an adapter to come may change.
  bool states = false;  ///< Scores come with the choices' states, as for ScoreRequest::states.
};
/// Called with the number of prompts that are done; may throw Interrupted.
using OnPrompts = std::function<void(std::size_t done)>;

/// Gets a prompt's hidden state [d], borrowed during the call.
using OnHidden = std::function<void(std::span<const float>)>;

struct GenerateOptions {
  int max_tokens = 256;
  float temperature = 0;  ///< 0: greedy.
  float top_p = 1;
  std::uint64_t seed = 0;
  std::vector<std::string> stop = {};  ///< Texts that end the answer; not part of it.
  int top_log_probs = 0;               ///< Alternatives to report a token, at most 20.
  /// Gets, before the first token, what embed() gives of the prompt at `embedding`. Of the same
  /// pass; costs one more if the adapter changes blocks below its layer, or for a mean at the last
  /// layer.
  OnHidden on_hidden = {};
  EmbeddingSpec embedding = {};
};
struct TokenChoice {
  int id = 0;
  std::string text;
  float log_prob = 0;
};
struct GeneratedToken : TokenChoice {
  std::vector<TokenChoice> top;
};
/// Called for each token as it comes, on the engine's thread; false cancels.
using OnToken = std::function<bool(const GeneratedToken&)>;
enum class FinishReason { Stop, Length, Cancelled };
struct Generated {
  std::string text;  ///< Valid UTF-8; without the stop text.
  std::vector<GeneratedToken> tokens;
  FinishReason finish = FinishReason::Stop;
  std::size_t prompt_tokens = 0;
};

/// One context. Not thread-safe.
class Engine {
 public:
  virtual ~Engine() = default;

  /// Hidden states of the base WITHOUT adapter (it is set aside for the call), [n, d]. A pass ends
  /// at the layer that is asked for. `on_done(i)` after each; may throw Interrupted.
  /// Prompts longer than the context are cut as in tokenize_choices.
  [[nodiscard]] virtual Matrix embed(std::span<const RenderedPrompt> prompts,
                                     const EmbeddingSpec& spec,
                                     const std::function<void(std::size_t)>& on_done = {}) = 0;
  /// embed() at several layers, a matrix for each, of one pass where the engine can.
  /// @param layers  ascending, at least one. @throws Error InvalidArgument  they are not
  [[nodiscard]] virtual std::vector<Matrix> embed_layers(
      std::span<const RenderedPrompt> prompts, std::span<const int> layers, Pooling pooling,
      const std::function<void(std::size_t)>& on_done = {});

  /// Log-probs of each choice with the adapter that is set; the prompt is computed once.
  /// @throws Error CorruptFile  model and adapter give numbers that are not finite
  [[nodiscard]] virtual ScoreResult score(const ScoreRequest& request,
                                          const EmbeddingSpec& spec) = 0;

  /// Lays prompts with choices out in passes that several share. With EngineOptions::splits also
  /// works out what the blocks below `first_layer` make of them and keeps it (4 d bytes a token);
  /// not where the model cannot be split.
  /// An engine that has no better way keeps the prompts and calls score() for each.
  /// @throws Error InvalidArgument  a prompt without choices, or that does not fit the context
  [[nodiscard]] virtual std::unique_ptr<PreparedPrompts> prepare(
      std::span<const RenderedPrompt> prompts, const PrepareOptions& options = {},
      const OnPrompts& on_done = {});

  /// Scores all of them with the adapter that is set: as score() does, but for rounding.
  /// @throws Error Incompatible  the adapter changes a block below `first_layer`
  /// @throws Error CorruptFile   as score()
  [[nodiscard]] virtual std::vector<ScoreResult> score_prepared(const PreparedPrompts& prompts,
                                                                const OnPrompts& on_done = {});

  /// Writes on from `prompt`.
  /// @throws Error InvalidArgument  the prompt fills the context, or an option is out of range
  /// @throws Error CorruptFile  as score()
  [[nodiscard]] virtual Generated generate(std::string_view prompt, const GenerateOptions& options,
                                           const OnToken& on_token = {}) = 0;

  /// Logits [n_tokens, n_vocab] of one sequence, for parity tests and perplexity.
  [[nodiscard]] virtual Matrix logits(std::span<const int> tokens) = 0;

  /// Sets sum_i w_i adapter_i, stacked and in F32; no parts, or all of weight 0: the base alone.
  /// @throws Error Incompatible  a tensor does not fit the model; the old adapter stays
  virtual void set_adapters(std::span<const BlendPart> parts) = 0;
  /// Sets a LoRA file with weight 1, in the number type it has. Read and checked by our own reader
  /// first; llama.cpp gets those bytes. @throws Error CorruptFile, Incompatible
  virtual void set_adapter_file(const std::filesystem::path& file) = 0;
  /// The same from the bytes of such a file; `name` is for messages.
  virtual void set_adapter_bytes(std::span<const std::byte> bytes, const std::string& name) = 0;

 protected:
  /// Of embed_layers(). @throws Error InvalidArgument  none, or not ascending
  static void check_ascending(std::span<const int> layers);
};

/// A weight of the base model as float, row-major [d_out, d_in] or [d].
struct FloatTensor {
  std::vector<std::uint64_t> shape;
  std::vector<float> data;
};

/// Weights and tokenizer. Thread-safe; engines keep it alive.
class Model {
 public:
  virtual ~Model() = default;
  [[nodiscard]] virtual const BaseModel& base() const = 0;
  [[nodiscard]] virtual int context_trained() const = 0;
  /// Token ids, with BOS first where the model wants one and the text does not begin with it.
  /// Prompts are tokenised by prompt_tokenizer() below.
  [[nodiscard]] virtual std::vector<int> tokenize(std::string_view text, bool add_bos = true,
                                                  bool parse_special = false) const = 0;
  [[nodiscard]] virtual std::string detokenize(std::span<const int> tokens) const = 0;
  /// The model's own chat template, or the one named in ModelOptions.
  /// @throws Error Unsupported  none, or not known to llama.cpp
  [[nodiscard]] virtual std::string apply_chat_template(const std::vector<ChatMessage>& messages,
                                                        bool add_assistant = true) const = 0;
  [[nodiscard]] virtual std::unique_ptr<Engine> open_engine(const EngineOptions& options = {}) = 0;
  /// A weight, dequantised. @throws Error NotFound  no tensor of that name
  [[nodiscard]] virtual FloatTensor tensor(const std::string& name) const = 0;
  /// A number of the GGUF's metadata, e.g. "llama.rope.freq_base". @throws Error NotFound
  [[nodiscard]] virtual double hyperparameter(const std::string& key) const = 0;
};

struct ModelOptions {
  int gpu_layers = 0;  ///< Layers put on a GPU, where llama.cpp was built with one.
  /// Name of a template that llama.cpp knows ("chatml"), or "" for the model's own.
  std::string chat_template = {};
  bool with_hash = true;  ///< Compute the file's SHA-256 for base().
};

/// Tokenises prompts as every Engine does: special tokens of chat templates are parsed, and BOS
/// comes first where the model wants one and the text does not bring it. Borrows the model.
[[nodiscard]] Tokenize prompt_tokenizer(const Model& model);

/// Opens a GGUF with llama.cpp, after our own reader has checked it.
/// @throws Error NotFound, CorruptFile, Unsupported, Incompatible (llama.cpp's reason is quoted)
[[nodiscard]] std::shared_ptr<Model> open_model(const std::filesystem::path& gguf,
                                                const ModelOptions& options = {});

}  // namespace crayon
