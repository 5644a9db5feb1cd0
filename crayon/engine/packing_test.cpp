// Prompts that share passes: every choice is still read behind its own prompt, once.
#include "crayon/engine/internal/packing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "crayon/base/error.h"
#include "crayon/base/random.h"

namespace crayon::internal {
namespace {

using ::testing::HasSubstr;
using ::testing::Property;
using ::testing::Throws;

/// Random prompts; tokens are numbered through, so that none is like another one.
std::vector<TokenizedChoices> random_prompts(std::size_t n, std::size_t longest, Rng& rng) {
  const auto draw = [&](std::size_t most) {
    return 1 + static_cast<std::size_t>(rng.uniform() * static_cast<double>(most));
  };
  std::vector<TokenizedChoices> prompts(n);
  int next = 0;
  for (TokenizedChoices& prompt : prompts) {
    for (std::size_t i = draw(longest); i > 0; --i) prompt.prefix.push_back(next++);
    for (std::size_t c = draw(6); c > 0; --c) {
      std::vector<int> branch;
      for (std::size_t i = draw(5); i > 0; --i) branch.push_back(next++);
      prompt.unscored.push_back(branch.size() > 1 && rng.uniform() < 0.2 ? 1 : 0);
      prompt.branches.push_back(std::move(branch));
    }
  }
  return prompts;
}

/// What a model sees: for each reading the tokens before `next`, from the cells of one sequence
/// that are there at that time.
using Seen = std::map<std::tuple<std::size_t, std::size_t, int>, std::vector<int>>;

class Cache {
 public:
  void read(const PackedPass& pass) {
    if (pass.clears) cells_.clear();
    first_ = cells_.size();
    cells_.insert(cells_.end(), pass.tokens.begin(), pass.tokens.end());
  }
  /// The tokens that the entry attends to, itself the last.
  [[nodiscard]] std::vector<int> seen_from(std::size_t entry) const {
    const PackedToken& at = cells_[first_ + entry];
    std::map<int, int> by_position;
    for (const PackedToken& cell : cells_) {
      const bool shared = cell.first_sequence < at.first_sequence + at.sequences &&
                          at.first_sequence < cell.first_sequence + cell.sequences;
      if (!shared || cell.position > at.position) continue;
      EXPECT_TRUE(by_position.emplace(cell.position, cell.token).second) << "two at one position";
    }
    std::vector<int> tokens;
    for (const auto& [position, token] : by_position) {
      EXPECT_EQ(position, static_cast<int>(tokens.size())) << "a gap";
      tokens.push_back(token);
    }
    return tokens;
  }

 private:
  std::vector<PackedToken> cells_;
  std::size_t first_ = 0;
};

Seen seen_in(const std::vector<PackedPass>& passes) {
  Seen seen;
  Cache cache;
  for (const PackedPass& pass : passes) {
    cache.read(pass);
    for (const Reading& reading : pass.readings) {
      EXPECT_TRUE(pass.tokens[reading.entry].output);
      const auto key = std::tuple(reading.prompt, reading.choice, reading.next);
      EXPECT_TRUE(seen.emplace(key, cache.seen_from(reading.entry)).second) << "read twice";
    }
  }
  return seen;
}

/// The same, prompt by prompt and choice by choice.
Seen wanted_of(const std::vector<TokenizedChoices>& prompts) {
  Seen wanted;
  for (std::size_t p = 0; p < prompts.size(); ++p) {
    for (std::size_t c = 0; c < prompts[p].branches.size(); ++c) {
      std::vector<int> before = prompts[p].prefix;
      for (std::size_t j = 0; j < prompts[p].branches[c].size(); ++j) {
        const int next = prompts[p].branches[c][j];
        if (j >= prompts[p].unscored[c]) wanted[{p, c, next}] = before;
        before.push_back(next);
      }
    }
  }
  return wanted;
}

TEST(Packing, EachChoiceIsReadBehindItsOwnPromptWhateverTheLimits) {
  const PackLimits all_limits[] = {
      {},
      {.tokens = 16, .outputs = 256, .sequences = 256, .cells = 64},
      {.tokens = 7, .outputs = 2, .sequences = 3, .cells = 40},
      {.tokens = 1, .outputs = 1, .sequences = 1, .cells = 36},
      {.tokens = 64, .outputs = 5, .sequences = 2, .cells = 64},
  };
  Rng rng(3);
  for (const PackLimits& limits : all_limits) {
    const auto prompts = random_prompts(40, 30, rng);
    const auto passes = pack(prompts, limits);
    EXPECT_EQ(seen_in(passes), wanted_of(prompts));
    EXPECT_EQ(passes.back().done, prompts.size());
  }
}

TEST(Packing, StatesAreReadAtEveryScoredTokenOfAChoice) {
  Rng rng(6);
  for (const PackLimits& limits :
       {PackLimits{}, PackLimits{.tokens = 7, .outputs = 2, .sequences = 3, .cells = 40},
        PackLimits{.tokens = 1, .outputs = 1, .sequences = 1, .cells = 40}}) {
    const auto prompts = random_prompts(40, 30, rng);
    const auto passes = pack(prompts, limits, /*states=*/true);
    EXPECT_EQ(seen_in(passes), wanted_of(prompts)) << "readings stay as they are";
    Seen states;
    Cache cache;
    for (const PackedPass& pass : passes) {
      cache.read(pass);
      for (const StateReading& reading : pass.states) {
        EXPECT_TRUE(pass.tokens[reading.entry].output);
        auto seen = cache.seen_from(reading.entry);
        const int token = seen.back();
        seen.pop_back();
        EXPECT_TRUE(states.emplace(std::tuple(reading.prompt, reading.choice, token), seen).second);
      }
    }
    EXPECT_EQ(states, wanted_of(prompts));
  }
}

TEST(Packing, NoPassGoesBeyondTheLimits) {
  const PackLimits limits{.tokens = 24, .outputs = 6, .sequences = 5, .cells = 48};
  Rng rng(4);
  std::size_t cells = 0;
  for (const PackedPass& pass : pack(random_prompts(60, 30, rng), limits)) {
    EXPECT_LE(pass.tokens.size(), limits.tokens);
    EXPECT_LE(std::ranges::count_if(pass.tokens, &PackedToken::output), 6);
    for (const PackedToken& token : pass.tokens) {
      EXPECT_LE(token.first_sequence + token.sequences, 5);
      EXPECT_GE(token.sequences, 1);
    }
    cells = pass.tokens.size() + (pass.clears ? 0 : cells);
    EXPECT_LE(cells, limits.cells);
  }
}

TEST(Packing, ShortPromptsShareAPass) {
  Rng rng(5);
  const auto prompts = random_prompts(10, 8, rng);
  EXPECT_EQ(pack(prompts, {}).size(), 1U);
}

TEST(Packing, AChoiceThatTheCacheCannotHoldIsRefused) {
  const std::vector<TokenizedChoices> prompts = {
      {.prefix = {1, 2, 3}, .branches = {{4, 5, 6}}, .unscored = {0}, .cut_tokens = 0}};
  EXPECT_THAT([&] { (void)pack(prompts, {.tokens = 2, .cells = 4}); },
              Throws<Error>(Property(&Error::what, HasSubstr("3 tokens with a choice of 3"))));
}

}  // namespace
}  // namespace crayon::internal
