// LlamaEngine::score: one prompt, its choices in rounds of sequences that share its cells.
#include "crayon/base/error.h"
#include "crayon/base/interrupt.h"
#include "crayon/engine/internal/choice_state.h"
#include "crayon/engine/internal/llama_engine.h"
#include "crayon/engine/internal/llama_engine_guards.h"
#include "crayon/engine/internal/log_softmax.h"

namespace crayon::internal {

void LlamaEngine::check_has_choices(const RenderedPrompt& prompt) {
  if (!prompt.choices.empty()) return;
  throw Error(ErrorCode::InvalidArgument, "a question to score has no choices; give at least one");
}

void LlamaEngine::read_prompt(const ScoreRequest& request, const TokenizedChoices& tokens,
                              const EmbeddingSpec& spec, ScoreResult& result) {
  if (!request.embed) {
    return prefill(tokens.prefix, Outputs::Last, {}, keep_shared(tokens.prefix));
  }
  // A token that joins the prompt's end with a choice's start shortens the shared prefix.
  const auto whole = [&] {
    return tokens.cut_tokens > 0 || tokens.prefix.size() == tokenize_(request.prompt.text).size();
  };
  if (same_pass_embeds(spec) && whole()) {
    result.hidden = prefill_and_embed(tokens.prefix, spec);
    return;
  }
  RenderedPrompt prompt = request.prompt;
  prompt.choices.clear();
  const auto alone = tokenize_choices(prompt, tokenize_, static_cast<std::size_t>(context_tokens_));
  result.hidden = embed_apart(alone.prefix, spec);
  prefill(tokens.prefix, Outputs::Last);
}

ScoreResult LlamaEngine::score(const ScoreRequest& request, const EmbeddingSpec& spec) {
  check_has_choices(request.prompt);
  if (request.embed) check_layer(spec.layer);
  const auto tokens =
      tokenize_choices(request.prompt, tokenize_, static_cast<std::size_t>(context_tokens_));
  ScoreResult result;
  result.prompt_tokens = tokens.prefix.size();
  result.cut_tokens = tokens.cut_tokens;
  read_prompt(request, tokens, spec, result);

  for (std::size_t i = 0; i < tokens.branches.size(); ++i) {
    const auto scored = tokens.branches[i].size() - tokens.unscored[i];
    result.choices.push_back({.sum_log_prob = 0, .tokens = static_cast<int>(scored), .state = {}});
  }
  Sums sums{
      .log_probs = score_first_tokens(tokens), .choices = result.choices, .states = request.states};
  std::vector<Branch> round;
  std::size_t cells = 0;
  for (std::size_t i = 0; i < tokens.branches.size(); ++i) {
    const std::size_t more = sums.read(tokens.branches[i]);
    if (round.size() == static_cast<std::size_t>(options_.max_choices) ||
        tokens.prefix.size() + cells + more > cells_) {
      score_round(round, tokens.prefix.size(), sums);
      round.clear();
      cells = 0;
    }
    if (more > 0) round.push_back({i, tokens.branches[i], tokens.unscored[i]});
    cells += more;
  }
  score_round(round, tokens.prefix.size(), sums);

  for (std::size_t i = 0; i < result.choices.size(); ++i) {
    result.choices[i].sum_log_prob = static_cast<float>(sums.log_probs[i]);
  }
  return result;
}

/// log p of each choice's first token, from the prompt's last row.
std::vector<double> LlamaEngine::score_first_tokens(const TokenizedChoices& tokens) const {
  const auto row = context_.logits(last_entry_);
  const double total = log_total(row);
  std::vector<double> sums(tokens.branches.size());
  for (std::size_t i = 0; i < sums.size(); ++i) {
    if (tokens.unscored[i] > 0) continue;
    sums[i] = row[static_cast<std::size_t>(tokens.branches[i].front())] - total;
  }
  return sums;
}

void LlamaEngine::score_round(std::span<const Branch> round, std::size_t prefix, Sums& sums) {
  if (round.empty()) return;
  for (std::size_t i = 0; i < round.size(); ++i) {
    context_.copy_sequence(0, static_cast<int>(i) + 1);
  }
  decode_branches(round, prefix, sums);
  for (std::size_t i = 0; i < round.size(); ++i) context_.remove_sequence(static_cast<int>(i) + 1);
}

void LlamaEngine::decode_branches(std::span<const Branch> round, std::size_t prefix, Sums& sums) {
  struct Wanted {
    std::size_t entry, choice;
    int next;  // the token whose log-prob the entry's row holds
  };
  struct State {
    std::size_t row, choice;
  };
  LlamaBatch batch;
  std::vector<Wanted> wanted;
  std::vector<State> states;
  const auto flush = [&] {
    throw_if_interrupted();
    if (batch.size() > 0 && states.empty()) context_.decode(batch);
    if (!states.empty()) {
      const Capture capture(*hidden_);
      context_.decode(batch);
      const Matrix rows = hidden_->finish_rows(batch.outputs());
      for (const auto& s : states) add_state(sums.choices[s.choice], rows.row(s.row));
    }
    for (const auto& w : wanted) {
      const auto row = context_.logits(w.entry);
      sums.log_probs[w.choice] += row[static_cast<std::size_t>(w.next)] - log_total(row);
    }
    batch.clear();
    wanted.clear();
    states.clear();
  };
  for (std::size_t b = 0; b < round.size(); ++b) {
    const Branch& branch = round[b];
    for (std::size_t j = 0; j < sums.read(branch.tokens); ++j) {
      const bool predicts = j + 1 < branch.tokens.size() && j + 1 >= branch.unscored;
      const bool state = sums.states && j >= branch.unscored;
      const bool output = predicts || state;
      if (predicts) wanted.push_back({batch.size(), branch.choice, branch.tokens[j + 1]});
      if (state) states.push_back({batch.outputs(), branch.choice});
      batch.add({.token = branch.tokens[j],
                 .position = static_cast<int>(prefix + j),
                 .sequence = static_cast<int>(b) + 1,
                 .output = output});
      if (batch.size() == static_cast<std::size_t>(options_.batch_tokens) ||
          batch.outputs() == kMaxOutputs) {
        flush();
      }
    }
  }
  flush();
}

double LlamaEngine::log_total(std::span<const float> row) const {
  return finite_log_sum_exp(row, model_.gguf->file(), adapter_.name);
}

}  // namespace crayon::internal
