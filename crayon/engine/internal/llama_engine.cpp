#include "crayon/engine/internal/llama_engine.h"

#include <fmt/format.h>

#include <algorithm>
#include <thread>
#include <utility>

#include "crayon/base/error.h"
#include "crayon/base/files.h"
#include "crayon/base/interrupt.h"
#include "crayon/engine/internal/context_params.h"
#include "crayon/engine/internal/llama_engine_guards.h"
#include "crayon/engine/internal/packed_scorer.h"
#include "crayon/formats/adapter_file.h"

namespace crayon::internal {
namespace {

constexpr int kMostChoices = 255;  // llama.cpp has 256 sequences; one is the prompt's

void check_range(const char* name, int value, int least, int most) {
  if (value >= least && value <= most) return;
  throw Error(ErrorCode::InvalidArgument,
              fmt::format("engine option {} is {}; expected {} to {}", name, value, least, most));
}

EngineOptions checked(EngineOptions options) {
  check_range("threads", options.threads, 0, 1024);
  check_range("context_tokens", options.context_tokens, 1, 1 << 20);
  check_range("max_choices", options.max_choices, 1, kMostChoices);
  check_range("batch_tokens", options.batch_tokens, 1, 1 << 16);
  check_range("reuse_from", options.reuse_from, 0, 1 << 20);
  if (options.threads == 0) {
    options.threads = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  }
  return options;
}

/// A number type that holds an adapter's numbers as they are, scales folded in, where A and B of
/// the file are of one type (or A Q8_0 and B F16), as Crayon and llama.cpp's converter write them.
TensorType exact_type(const Gguf& file, const Adapter& adapter) {
  const auto scaled = [](const LoraTensor& tensor) { return tensor.scale != 1; };
  return std::ranges::any_of(adapter.tensors, scaled) ? TensorType::F32 : lora_type(file);
}

bool has_fast_ranks(const Gguf& file) {
  return std::ranges::all_of(file.tensors(), [](const GgufTensor& tensor) {
    return !tensor.name.ends_with(".lora_a") || tensor.shape[0] == fast_rank(tensor.shape[0]);
  });
}

}  // namespace

LlamaEngine::LlamaEngine(EngineModel model, const EngineOptions& options)
    : model_(std::move(model)),
      options_(checked(options)),
      context_tokens_(std::min(options_.context_tokens, model_.keep->context_trained())),
      cells_(static_cast<std::size_t>(context_tokens_ + options_.batch_tokens)),
      tokenize_(prompt_tokenizer(*model_.keep)),
      hidden_(std::make_unique<HiddenState>()),
      context_(model_.llama,
               context_params(options_,
                              {.cells = cells_,
                               .sequences = static_cast<std::size_t>(options_.max_choices) + 1,
                               .outputs = kMaxOutputs},
                              *hidden_)),
      packed_(model_, options_) {}

void LlamaEngine::check_layer(int layer) const {
  const int n_layers = model_.keep->base().n_layers;
  if (layer >= 0 && layer <= n_layers) return;
  throw Error(ErrorCode::InvalidArgument,
              fmt::format("the embedding's layer is {}, but model '{}' has layers 0 to {}; use a "
                          "pool made for this model",
                          layer, model_.keep->base().name, n_layers));
}

/// The last block computes only rows whose logits are wanted.
LlamaEngine::Outputs LlamaEngine::outputs_for(int layer, Pooling pooling) const {
  if (layer < model_.keep->base().n_layers) return Outputs::None;
  return pooling == Pooling::Last ? Outputs::Last : Outputs::All;
}

void LlamaEngine::prefill(std::span<const int> tokens, Outputs outputs,
                          const std::function<void(std::size_t begin, std::size_t end)>& on_batch,
                          std::size_t kept) {
  if (tokens.empty()) {
    throw Error(ErrorCode::InvalidArgument, "the prompt has no tokens; give at least one word");
  }
  cached_.clear();  // until all is computed: an error or Ctrl-C leaves a part
  if (kept == 0) context_.clear();
  std::size_t step = static_cast<std::size_t>(options_.batch_tokens);
  if (outputs == Outputs::All) step = std::min(step, kMaxOutputs);
  LlamaBatch batch;
  for (std::size_t begin = kept; begin < tokens.size(); begin += step) {
    throw_if_interrupted();
    batch.clear();
    const std::size_t end = std::min(begin + step, tokens.size());
    for (std::size_t i = begin; i < end; ++i) {
      const bool last = i + 1 == tokens.size();
      batch.add({.token = tokens[i],
                 .position = static_cast<int>(i),
                 .output = outputs == Outputs::All || (last && outputs == Outputs::Last)});
    }
    context_.decode(batch);
    if (on_batch) on_batch(begin, end);
  }
  last_entry_ = batch.size() - 1;
  cached_.assign(tokens.begin(), tokens.end());
}

std::size_t LlamaEngine::keep_shared(std::span<const int> tokens) {
  const auto differ = std::ranges::mismatch(cached_, tokens).in1;
  // The last token is always computed: its row of logits is wanted.
  const auto shared =
      std::min(static_cast<std::size_t>(differ - cached_.begin()), tokens.size() - 1);
  const bool worth =
      options_.reuse_from > 0 && shared >= static_cast<std::size_t>(options_.reuse_from);
  return worth && context_.truncate_sequence(0, static_cast<int>(shared)) ? shared : 0;
}

Matrix LlamaEngine::hidden_of_base(std::span<const int> tokens, std::span<const int> layers,
                                   Pooling pooling) {
  const Capture capture(*hidden_, layers, pooling, /*end_pass=*/true);
  prefill(tokens, outputs_for(layers.back(), pooling));
  context_.clear();  // cells of layers above the end hold nothing
  cached_.clear();
  return hidden_->finish();
}

bool LlamaEngine::same_pass_embeds(const EmbeddingSpec& spec) const {
  if (adapter_.loaded != nullptr && adapter_.first_layer < spec.layer) return false;
  // Logits of every token are dearer than a pass.
  return outputs_for(spec.layer, spec.pooling) != Outputs::All;
}

std::vector<float> LlamaEngine::prefill_and_embed(std::span<const int> tokens,
                                                  const EmbeddingSpec& spec) {
  const Capture capture(*hidden_, {&spec.layer, 1}, spec.pooling, /*end_pass=*/false);
  prefill(tokens, Outputs::Last);
  return hidden_->finish().data;
}

std::vector<float> LlamaEngine::embed_apart(std::span<const int> tokens,
                                            const EmbeddingSpec& spec) {
  const Base base(*this, spec.layer);
  return hidden_of_base(tokens, {&spec.layer, 1}, spec.pooling).data;
}

Matrix LlamaEngine::embed(std::span<const RenderedPrompt> prompts, const EmbeddingSpec& spec,
                          const std::function<void(std::size_t)>& on_done) {
  return std::move(embed_layers(prompts, {&spec.layer, 1}, spec.pooling, on_done).front());
}

std::vector<Matrix> LlamaEngine::embed_layers(std::span<const RenderedPrompt> prompts,
                                              std::span<const int> layers, Pooling pooling,
                                              const std::function<void(std::size_t)>& on_done) {
  check_ascending(layers);
  for (const int layer : layers) check_layer(layer);
  const Base base(*this, layers.back());
  std::vector<Matrix> result(
      layers.size(), Matrix(prompts.size(), static_cast<std::size_t>(model_.keep->base().d_model)));
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    throw_if_interrupted();
    RenderedPrompt prompt = prompts[i];
    prompt.choices.clear();
    const auto tokens =
        tokenize_choices(prompt, tokenize_, static_cast<std::size_t>(context_tokens_));
    const Matrix hidden = hidden_of_base(tokens.prefix, layers, pooling);
    for (std::size_t k = 0; k < layers.size(); ++k) {
      std::ranges::copy(hidden.row(k), result[k].row(i).begin());
    }
    if (on_done) on_done(i);
  }
  return result;
}

std::unique_ptr<PreparedPrompts> LlamaEngine::prepare(std::span<const RenderedPrompt> prompts,
                                                      const PrepareOptions& options,
                                                      const OnPrompts& on_done) {
  std::vector<TokenizedChoices> tokens;
  for (const RenderedPrompt& prompt : prompts) {
    throw_if_interrupted();
    check_has_choices(prompt);
    tokens.push_back(
        tokenize_choices(prompt, tokenize_, static_cast<std::size_t>(context_tokens_)));
  }
  return packed_.prepare(tokens, options, on_done);
}

std::vector<ScoreResult> LlamaEngine::score_prepared(const PreparedPrompts& prompts,
                                                     const OnPrompts& on_done) {
  return packed_.score(dynamic_cast<const PackedPrompts&>(prompts), adapter_, on_done);
}

Matrix LlamaEngine::logits(std::span<const int> tokens) {
  const int n_vocab = model_.keep->base().n_vocab;
  if (tokens.empty() || tokens.size() > static_cast<std::size_t>(context_tokens_)) {
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("a sequence of {} tokens; expected 1 to {}, the context", tokens.size(),
                            context_tokens_));
  }
  for (const int token : tokens) check_range("token", token, 0, n_vocab - 1);
  Matrix result(tokens.size(), static_cast<std::size_t>(n_vocab));
  prefill(tokens, Outputs::All, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) {
      const auto row = context_.logits(i - begin);
      std::copy(row.begin(), row.end(), result.row(i).begin());
    }
  });
  return result;
}

void LlamaEngine::set_adapters(std::span<const BlendPart> parts) {
  const bool none = std::all_of(parts.begin(), parts.end(),
                                [](const BlendPart& part) { return part.weight == 0; });
  if (none) {
    cached_.clear();
    context_.set_adapter(nullptr);
    adapter_ = {.version = adapter_.version + 1};
    return;
  }
  // One stacked adapter: llama.cpp would add several in the order of their addresses.
  Adapter sum = blend(parts).adapter;
  const AdapterFileOptions options{.architecture = model_.keep->base().architecture,
                                   .name = "blend",
                                   .type = TensorType::F32,
                                   .metadata = {},
                                   .fill_rank = true};
  const auto bytes = adapter_to_gguf(sum, options);
  load_adapter(std::move(sum), options.type, bytes, "the blended adapter");
}

void LlamaEngine::set_adapter_file(const std::filesystem::path& file) {
  set_adapter_bytes(read_file(file), file.string());
}

void LlamaEngine::set_adapter_bytes(std::span<const std::byte> bytes, const std::string& name) {
  const Gguf gguf = Gguf::parse({bytes.begin(), bytes.end()}, name);
  Adapter adapter = adapter_from_gguf(gguf);
  const TensorType type = exact_type(gguf, adapter);
  if (has_fast_ranks(gguf)) return load_adapter(std::move(adapter), type, bytes, name);
  const AdapterFileOptions options{.architecture = model_.keep->base().architecture,
                                   .name = "adapter",
                                   .type = type,
                                   .metadata = {},
                                   .fill_rank = true};
  const auto filled = adapter_to_gguf(adapter, options);
  load_adapter(std::move(adapter), type, filled, name);
}

void LlamaEngine::load_adapter(Adapter adapter, TensorType type, std::span<const std::byte> gguf,
                               const std::string& name) {
  check_fits_model(adapter, *model_.gguf, name);
  auto loaded = std::make_shared<const LlamaAdapter>(model_.llama, gguf, name);
  context_.set_adapter(loaded.get());
  cached_.clear();
  const int first_layer = lowest_layer(adapter);
  adapter_ = {.loaded = std::move(loaded),  // frees the old one, which the context no longer knows
              .name = name,
              .first_layer = first_layer,
              .numbers = options_.splits ? std::move(adapter) : Adapter{},
              .type = type,
              .version = adapter_.version + 1};
}

}  // namespace crayon::internal
