#include "crayon/engine/internal/packed_scorer.h"

#include <fmt/format.h>

#include <chrono>
#include <utility>

#include "crayon/base/error.h"
#include "crayon/base/interrupt.h"
#include "crayon/engine/internal/choice_state.h"
#include "crayon/engine/internal/context_params.h"
#include "crayon/engine/internal/crown.h"
#include "crayon/engine/internal/log_softmax.h"
#include "crayon/formats/adapter_file.h"

namespace crayon::internal {
namespace {

constexpr std::size_t kSequences = 256;  // the most that llama.cpp has
constexpr std::size_t kOutputs = 256;

void fill(LlamaBatch& batch, const PackedPass& pass) {
  batch.clear();
  for (const PackedToken& token : pass.tokens) {
    batch.add({.token = token.token,
               .position = token.position,
               .sequence = token.first_sequence,
               .output = token.output,
               .sequences = token.sequences});
  }
}

/// A result without scores: what the tokens alone tell.
ScoreResult unscored(const TokenizedChoices& tokens) {
  ScoreResult result;
  result.prompt_tokens = tokens.prefix.size();
  result.cut_tokens = tokens.cut_tokens;
  for (std::size_t c = 0; c < tokens.branches.size(); ++c) {
    const auto n = tokens.branches[c].size() - tokens.unscored[c];
    result.choices.push_back({.sum_log_prob = 0, .tokens = static_cast<int>(n), .state = {}});
  }
  return result;
}

/// Adds the states of the pass's rows to their choices.
void add_states(const PackedPass& pass, const Matrix& rows, std::vector<ScoreResult>& results) {
  std::size_t entry = 0;
  std::size_t row = 0;  // that stands for `entry`, if its logits are wanted
  for (const StateReading& reading : pass.states) {
    for (; entry < reading.entry; ++entry) row += pass.tokens[entry].output ? 1 : 0;
    add_state(results[reading.prompt].choices[reading.choice], rows.row(row));
  }
}

}  // namespace

std::size_t PackedPrompts::bytes() const {
  std::size_t bytes = 0;
  for (const Matrix& rows : hidden_) bytes += rows.data.size() * sizeof(float);
  for (const PackedPass& pass : passes_) {
    bytes += pass.tokens.size() * sizeof(PackedToken) + pass.readings.size() * sizeof(Reading) +
             pass.states.size() * sizeof(StateReading);
  }
  return bytes;
}

PackedScorer::PackedScorer(const EngineModel& model, const EngineOptions& options, int first_layer)
    : model_(model),
      first_layer_(first_layer),
      limits_{.tokens = static_cast<std::size_t>(options.batch_tokens),
              .outputs = kOutputs,
              .sequences = kSequences,
              .cells = static_cast<std::size_t>(options.context_tokens + options.batch_tokens)},
      crown_(first_layer == 0 ? model.llama
                              : load_crown(*model.gguf, first_layer, model.gpu_layers)) {
  if (first_layer > 0) {
    trunk_ = std::make_unique<LlamaContext>(
        model.llama, context_params(options, {limits_.cells, kSequences, 1}, hidden_));
  }
  context_ = std::make_unique<LlamaContext>(
      crown_, context_params(options, {limits_.cells, kSequences, kOutputs}, hidden_));
}

Matrix PackedScorer::read_trunk(const PackedPass& pass) {
  LlamaBatch batch;
  fill(batch, pass);
  if (pass.clears) trunk_->clear();
  hidden_.begin_rows(first_layer_);
  try {
    trunk_->decode(batch);
  } catch (...) {
    hidden_.abandon();
    throw;
  }
  return hidden_.finish_rows(pass.tokens.size());
}

std::unique_ptr<PreparedPrompts> PackedScorer::prepare(std::span<const TokenizedChoices> prompts,
                                                       bool states, const OnPrompts& on_done) {
  auto prepared = std::make_unique<PackedPrompts>();
  const auto start = std::chrono::steady_clock::now();
  prepared->first_layer_ = first_layer_;
  prepared->passes_ = pack(prompts, limits_, states);
  for (const TokenizedChoices& tokens : prompts) prepared->unscored_.push_back(unscored(tokens));
  for (const PackedPass& pass : prepared->passes_) {
    if (first_layer_ == 0) break;
    throw_if_interrupted();
    prepared->hidden_.push_back(read_trunk(pass));
    if (on_done) on_done(pass.done);
  }
  prepared->seconds_ =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return prepared;
}

/// Runs the pass; where states are asked for, adds them.
void PackedScorer::decode(LlamaBatch& batch, const PackedPass& pass,
                          std::vector<ScoreResult>& results) {
  if (pass.states.empty()) return context_->decode(batch);
  hidden_.begin_outputs();
  try {
    context_->decode(batch);
  } catch (...) {
    hidden_.abandon();
    throw;
  }
  add_states(pass, hidden_.finish_rows(batch.outputs()), results);
}

/// Adds what the rows of logits say to the choices' scores.
void PackedScorer::read_pass(const PackedPass& pass, std::vector<ScoreResult>& results) {
  std::span<const float> row;
  double total = 0;
  std::size_t entry = pass.tokens.size();
  for (const Reading& reading : pass.readings) {
    if (reading.entry != entry) {
      entry = reading.entry;
      row = context_->logits(entry);
      total = finite_log_sum_exp(row, crown_->file(), adapter_name_);
    }
    const auto log_prob = row[static_cast<std::size_t>(reading.next)] - total;
    results[reading.prompt].choices[reading.choice].sum_log_prob += static_cast<float>(log_prob);
  }
}

std::vector<ScoreResult> PackedScorer::score(const PackedPrompts& prompts,
                                             const OnPrompts& on_done) {
  std::vector<ScoreResult> results = prompts.unscored_;
  LlamaBatch batch;
  for (std::size_t i = 0; i < prompts.passes_.size(); ++i) {
    throw_if_interrupted();
    const PackedPass& pass = prompts.passes_[i];
    fill(batch, pass);
    if (!prompts.hidden_.empty()) batch.feed(prompts.hidden_[i].data);
    if (pass.clears) context_->clear();
    decode(batch, pass, results);
    read_pass(pass, results);
    if (on_done) on_done(pass.done);
  }
  return results;
}

void PackedScorer::set_adapter(const CurrentAdapter& adapter) {
  if (adapter_version_ == adapter.version) return;
  std::shared_ptr<const LlamaAdapter> loaded = adapter.loaded;
  if (loaded != nullptr && first_layer_ > 0) {
    const AdapterFileOptions options{.architecture = model_.keep->base().architecture,
                                     .name = "crown",
                                     .type = adapter.type,
                                     .metadata = {},
                                     .fill_rank = true};
    loaded = std::make_shared<const LlamaAdapter>(
        crown_, adapter_to_gguf(for_crown(adapter.numbers, first_layer_), options), adapter.name);
  }
  context_->set_adapter(loaded.get());
  adapter_ = std::move(loaded);  // frees the old one, which the context no longer knows
  adapter_name_ = adapter.name;
  adapter_version_ = adapter.version;
}

}  // namespace crayon::internal
