// LlamaEngine::generate: one token a pass, sampled by a chain of llama.cpp's samplers.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "crayon/base/error.h"
#include "crayon/base/interrupt.h"
#include "crayon/engine/internal/llama_engine.h"
#include "crayon/engine/internal/stream_text.h"
#include "crayon/engine/internal/vocabulary.h"

namespace crayon::internal {
namespace {

constexpr int kMostAlternatives = 20;

void check(const GenerateOptions& options) {
  const auto bad = [](const std::string& what) {
    throw Error(ErrorCode::InvalidArgument, "generate: " + what);
  };
  if (options.max_tokens < 0)
    bad(fmt::format("max_tokens is {}; expected 0 or more", options.max_tokens));
  if (!(options.temperature >= 0) || !std::isfinite(options.temperature)) {
    bad(fmt::format("temperature is {}; expected a finite number of at least 0",
                    options.temperature));
  }
  if (!(options.top_p > 0 && options.top_p <= 1)) {
    bad(fmt::format("top_p is {}; expected more than 0 and at most 1", options.top_p));
  }
  if (options.top_log_probs < 0 || options.top_log_probs > kMostAlternatives) {
    bad(fmt::format("top_log_probs is {}; expected 0 to {}", options.top_log_probs,
                    kMostAlternatives));
  }
}

/// 64 bits to the 32 of llama.cpp, which takes 0xFFFFFFFF for "any seed".
std::uint32_t sampler_seed(std::uint64_t seed) {
  const auto folded = static_cast<std::uint32_t>(seed ^ (seed >> 32));
  return folded == LLAMA_DEFAULT_SEED ? 0 : folded;
}

LlamaSampler make_sampler(const GenerateOptions& options) {
  LlamaSampler chain(llama_sampler_chain_init(llama_sampler_chain_default_params()));
  if (options.temperature == 0) {
    llama_sampler_chain_add(chain.get(), llama_sampler_init_greedy());
    return chain;
  }
  llama_sampler_chain_add(chain.get(), llama_sampler_init_temp(options.temperature));
  if (options.top_p < 1) {
    llama_sampler_chain_add(chain.get(), llama_sampler_init_top_p(options.top_p, 1));
  }
  llama_sampler_chain_add(chain.get(), llama_sampler_init_dist(sampler_seed(options.seed)));
  return chain;
}

/// The `n` most likely tokens, best first; equal ones by id.
std::vector<TokenChoice> most_likely(std::span<const float> row, double total, int n,
                                     const LlamaModel& model) {
  std::vector<int> ids(row.size());
  std::iota(ids.begin(), ids.end(), 0);
  const auto count = std::min(static_cast<std::size_t>(n), ids.size());
  const auto end = ids.begin() + static_cast<std::ptrdiff_t>(count);
  std::partial_sort(ids.begin(), end, ids.end(), [&](int a, int b) {
    const float x = row[static_cast<std::size_t>(a)];
    const float y = row[static_cast<std::size_t>(b)];
    return x > y || (x == y && a < b);
  });
  std::vector<TokenChoice> best;
  for (auto it = ids.begin(); it != end; ++it) {
    const auto id = static_cast<std::size_t>(*it);
    best.push_back({*it, valid_utf8(token_piece(model, *it)), static_cast<float>(row[id] - total)});
  }
  return best;
}

/// Adds tokens to the answer and tells the caller of each; false when it cancels.
bool hand_out(std::vector<GeneratedToken> tokens, Generated& result, const OnToken& on_token) {
  for (auto& token : tokens) {
    result.text += token.text;
    const bool go_on = !on_token || on_token(token);
    result.tokens.push_back(std::move(token));
    if (!go_on) return false;
  }
  return true;
}

}  // namespace

// The prompt is computed anew each time, all of it, so a mean has every token.
void LlamaEngine::read_prompt(std::span<const int> tokens, const GenerateOptions& options) {
  if (!options.on_hidden) return prefill(tokens, Outputs::Last);
  std::vector<float> hidden;
  if (same_pass_embeds(options.embedding)) {
    hidden = prefill_and_embed(tokens, options.embedding);
  } else {
    hidden = embed_apart(tokens, options.embedding);
    prefill(tokens, Outputs::Last);
  }
  options.on_hidden(hidden);
}

Generated LlamaEngine::generate(std::string_view prompt, const GenerateOptions& options,
                                const OnToken& on_token) {
  check(options);
  if (options.on_hidden) check_layer(options.embedding.layer);
  const LlamaModel& model = *model_.llama;
  auto tokens = tokenize_(prompt);
  if (tokens.size() >= static_cast<std::size_t>(context_tokens_)) {
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("the prompt has {} tokens, the context {}; shorten the prompt",
                            tokens.size(), context_tokens_));
  }
  Generated result;
  result.prompt_tokens = tokens.size();
  result.finish = FinishReason::Length;
  if (options.max_tokens == 0) {
    if (options.on_hidden) options.on_hidden(embed_apart(tokens, options.embedding));
    return result;
  }

  read_prompt(tokens, options);
  const LlamaSampler sampler = make_sampler(options);
  Utf8Joiner joiner;
  StopFilter filter(options.stop);
  std::size_t entry = last_entry_;
  for (int n = 0; n < options.max_tokens; ++n) {
    const auto row = context_.logits(entry);
    const double total = log_total(row);
    const int id = llama_sampler_sample(sampler.get(), context_.get(), static_cast<int>(entry));
    if (llama_vocab_is_eog(model.vocab(), id)) {
      result.finish = FinishReason::Stop;
      break;
    }
    GeneratedToken token;  // log-probs of it and its rivals at temperature 1
    token.id = id;
    token.text = joiner.push(token_piece(model, id));
    token.log_prob = static_cast<float>(row[static_cast<std::size_t>(id)] - total);
    if (options.top_log_probs > 0) {
      token.top = most_likely(row, total, options.top_log_probs, model);
    }
    if (!hand_out(filter.push(std::move(token)), result, on_token)) {
      result.finish = FinishReason::Cancelled;
      return result;
    }
    if (filter.stopped()) {
      result.finish = FinishReason::Stop;
      return result;
    }
    if (tokens.size() + 1 >= static_cast<std::size_t>(context_tokens_)) break;
    throw_if_interrupted();
    tokens.push_back(id);
    LlamaBatch batch;
    batch.add({.token = id, .position = static_cast<int>(tokens.size()) - 1, .output = true});
    context_.decode(batch);
    entry = 0;
  }
  if (!hand_out(filter.finish(), result, on_token)) result.finish = FinishReason::Cancelled;
  return result;
}

}  // namespace crayon::internal
