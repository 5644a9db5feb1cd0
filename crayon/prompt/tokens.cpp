// Prompts and choices to tokens: see tokenize_choices() in prompt.h.
#include <fmt/format.h>

#include <algorithm>

#include "crayon/base/error.h"
#include "crayon/base/interrupt.h"
#include "crayon/prompt/prompt.h"

namespace crayon {
namespace {

using Tokens = std::vector<int>;

/// A prompt's tokens and those of the prompt with each choice.
struct Sequences {
  Sequences(std::string prompt_text, const Tokenize& tokenize)
      : text(std::move(prompt_text)), prompt(tokenize(text)), longest(prompt.size()) {}

  /// Each choice costs the prompt anew, so a long one with many choices takes seconds.
  void add(const std::vector<std::string>& choices, const Tokenize& tokenize,
           std::size_t max_tokens) {
    if (!choices.empty()) longest = 0;
    for (const std::string& choice : choices) {
      throw_if_interrupted();
      Tokens whole = tokenize(text + choice);
      longest = std::max(longest, whole.size());
      if (longest <= max_tokens) wholes.push_back(std::move(whole));
    }
  }

  std::string text;
  Tokens prompt;
  std::vector<Tokens> wholes;  ///< All of them only where the longest one fits.
  std::size_t longest;
};

Sequences tokenize_all(const std::string& text, const std::vector<std::string>& choices,
                       const Tokenize& tokenize, std::size_t max_tokens) {
  Sequences out(text, tokenize);
  out.add(choices, tokenize, max_tokens);
  return out;
}

std::size_t common_prefix(const Tokens& a, const Tokens& b) {
  const auto n = static_cast<std::ptrdiff_t>(std::min(a.size(), b.size()));
  return static_cast<std::size_t>(std::mismatch(a.begin(), a.begin() + n, b.begin()).first -
                                  a.begin());
}

/// The first `bytes` of the passage cut, on to where the next character begins.
std::string without_start(const RenderedPrompt& prompt, std::size_t bytes) {
  std::size_t end = prompt.passage_begin + bytes;
  const auto continues = [&] {
    return end < prompt.passage_end &&
           (static_cast<unsigned char>(prompt.text[end]) & 0xC0) == 0x80;
  };
  while (continues()) ++end;
  return prompt.text.substr(0, prompt.passage_begin) + prompt.text.substr(end);
}

/// The text with the least of the passage cut so that it has at most `budget` tokens, by bisection;
/// the whole passage where even that is too long.
std::string cut_to(const RenderedPrompt& prompt, const Tokenize& tokenize, std::size_t budget) {
  std::size_t too_little = 0;
  std::size_t enough = prompt.passage_end - prompt.passage_begin;
  while (enough - too_little > 1) {
    throw_if_interrupted();
    const std::size_t middle = too_little + (enough - too_little) / 2;
    const bool fits = tokenize(without_start(prompt, middle)).size() <= budget;
    (fits ? enough : too_little) = middle;
  }
  return without_start(prompt, enough);
}

[[noreturn]] void refuse_length(const std::string& found, std::size_t max_tokens) {
  throw Error(ErrorCode::InvalidArgument,
              fmt::format("prompt: {}; expected at most {}; shorten the question or enlarge the "
                          "context",
                          found, max_tokens));
}

/// Cuts the passage until all fits. How many tokens a choice adds may change with the cut, so the
/// budget shrinks until it does.
Sequences cut_passage(const RenderedPrompt& prompt, const Tokenize& tokenize,
                      const Sequences& whole, std::size_t max_tokens) {
  const std::string none = without_start(prompt, prompt.passage_end - prompt.passage_begin);
  const Sequences least = tokenize_all(none, prompt.choices, tokenize, max_tokens);
  if (least.longest > max_tokens) {
    refuse_length(fmt::format("{} tokens with the longest choice, {} without its passage",
                              whole.longest, least.longest),
                  max_tokens);
  }
  std::size_t added = whole.longest - std::min(whole.longest, whole.prompt.size());
  while (added < max_tokens) {
    const std::string text = cut_to(prompt, tokenize, max_tokens - added);
    Sequences cut = tokenize_all(text, prompt.choices, tokenize, max_tokens);
    if (cut.longest <= max_tokens) return cut;
    added += cut.longest - max_tokens;
  }
  return least;
}

/// Tokens of the prompt that a choice keeps; every choice scores at least its last token.
std::size_t unscored_tokens(const Tokens& prompt, const Tokens& whole) {
  const std::size_t common = common_prefix(prompt, whole);
  return common == whole.size() && common > 0 ? common - 1 : common;
}

/// Without a common first token of prompt and choices (an empty prompt, no BOS) one that all
/// choices share may stand in: its log-prob would be the same for all.
std::size_t shared_first_token(const std::vector<Tokens>& wholes) {
  const bool shared = std::all_of(wholes.begin(), wholes.end(), [&](const Tokens& whole) {
    return whole.size() > 1 && whole.front() == wholes.front().front();
  });
  if (shared) return 1;
  throw Error(
      ErrorCode::InvalidArgument,
      "prompt: no token stands before the choices; expected at least one; give the question "
      "some text");
}

TokenizedChoices split(const Sequences& all) {
  TokenizedChoices out;
  std::vector<std::size_t> kept;
  std::size_t shared = all.prompt.size();
  for (const Tokens& whole : all.wholes) {
    kept.push_back(unscored_tokens(all.prompt, whole));
    shared = std::min(shared, kept.back());
  }
  if (shared == 0) shared = all.wholes.empty() ? 0 : shared_first_token(all.wholes);
  const Tokens& first = all.wholes.empty() ? all.prompt : all.wholes.front();
  if (first.empty()) throw Error(ErrorCode::InvalidArgument, "prompt: empty; expected some text");
  const auto n = static_cast<std::ptrdiff_t>(shared);
  out.prefix.assign(first.begin(), first.begin() + n);
  for (std::size_t i = 0; i < all.wholes.size(); ++i) {
    out.branches.emplace_back(all.wholes[i].begin() + n, all.wholes[i].end());
    out.unscored.push_back(std::max(kept[i], shared) - shared);
  }
  return out;
}

}  // namespace

TokenizedChoices tokenize_choices(const RenderedPrompt& prompt, const Tokenize& tokenize,
                                  std::size_t max_tokens) {
  const bool can_cut = prompt.passage_end > prompt.passage_begin;
  Sequences whole(prompt.text, tokenize);
  if (!can_cut && whole.prompt.size() > max_tokens) {  // before it is read again with each choice
    refuse_length(
        fmt::format("{} tokens without a choice and no passage to cut", whole.prompt.size()),
        max_tokens);
  }
  whole.add(prompt.choices, tokenize, max_tokens);
  if (whole.longest <= max_tokens) return split(whole);
  if (!can_cut) {
    refuse_length(
        fmt::format("{} tokens with the longest choice and no passage to cut", whole.longest),
        max_tokens);
  }
  const Sequences cut = cut_passage(prompt, tokenize, whole, max_tokens);
  TokenizedChoices out = split(cut);
  out.cut_tokens = whole.prompt.size() - std::min(whole.prompt.size(), cut.prompt.size());
  return out;
}

}  // namespace crayon
