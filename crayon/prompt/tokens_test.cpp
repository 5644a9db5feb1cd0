#include <gmock/gmock.h>

#include "crayon/base/error.h"
#include "crayon/base/interrupt.h"
#include "crayon/base/random.h"
#include "crayon/prompt/prompt.h"

namespace crayon {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Property;
using ::testing::Throws;
using Tokens = std::vector<int>;

/// A token a byte.
Tokens by_byte(std::string_view text) {
  Tokens out;
  for (const char c : text) out.push_back(static_cast<unsigned char>(c));
  return out;
}
Tokens by_byte_with_bos(std::string_view text) {
  Tokens out = by_byte(text);
  out.insert(out.begin(), 1000);
  return out;
}
/// Merges the pairs "ab", "bc" and " a" from the left, so that a choice can change the prompt's
/// end.
Tokens by_pairs(std::string_view text) {
  Tokens out;
  while (!text.empty()) {
    const std::string_view pair = text.substr(0, 2);
    const bool merged = pair == "ab" || pair == "bc" || pair == " a";
    out.push_back(merged ? 256 * pair[0] + pair[1] : static_cast<unsigned char>(text[0]));
    text.remove_prefix(merged ? 2 : 1);
  }
  return out;
}

RenderedPrompt prompt_of(const std::string& text, const std::vector<std::string>& choices) {
  RenderedPrompt out;
  out.text = text;
  out.choices = choices;
  return out;
}
RenderedPrompt with_passage(const std::string& passage) {
  RenderedPrompt out = prompt_of(passage + "\nQ:", {" yes", " no"});
  out.passage_end = passage.size();
  return out;
}

std::size_t common_prefix(const Tokens& a, const Tokens& b) {
  std::size_t n = 0;
  while (n < a.size() && n < b.size() && a[n] == b[n]) ++n;
  return n;
}

auto invalid(const std::string& message) {
  return Throws<Error>(AllOf(Property(&Error::code, ErrorCode::InvalidArgument),
                             Property(&Error::what, HasSubstr(message))));
}

TEST(TokenizeChoices, SplitsPromptAndChoicesWhereTokensDoNotMerge) {
  const TokenizedChoices got = tokenize_choices(prompt_of("Q:", {"x", "yz"}), by_byte, 100);
  EXPECT_THAT(got.prefix, ElementsAre('Q', ':'));
  EXPECT_THAT(got.branches, ElementsAre(ElementsAre('x'), ElementsAre('y', 'z')));
  EXPECT_THAT(got.unscored, ElementsAre(0u, 0u));
  EXPECT_EQ(got.cut_tokens, 0u);
}

TEST(TokenizeChoices, AChoiceThatMergesWithThePromptMovesItsEndIntoTheBranches) {
  // tokens("xa") = x a; "xa" + "b" merges to "ab", "xa" + "c" does not.
  const TokenizedChoices got = tokenize_choices(prompt_of("xa", {"b", "c"}), by_pairs, 100);
  EXPECT_THAT(got.prefix, ElementsAre('x'));
  EXPECT_THAT(got.branches, ElementsAre(ElementsAre(256 * 'a' + 'b'), ElementsAre('a', 'c')));
  EXPECT_THAT(got.unscored, ElementsAre(0u, 1u));
}

TEST(TokenizeChoices, AnEmptyChoiceScoresTheLastToken) {
  const TokenizedChoices got = tokenize_choices(prompt_of("xyz", {"", "w"}), by_byte, 100);
  EXPECT_THAT(got.prefix, ElementsAre('x', 'y'));
  EXPECT_THAT(got.branches, ElementsAre(ElementsAre('z'), ElementsAre('z', 'w')));
  EXPECT_THAT(got.unscored, ElementsAre(0u, 1u));
}

TEST(TokenizeChoices, APromptWithoutChoicesIsAllPrefix) {
  const TokenizedChoices got = tokenize_choices(prompt_of("xyz", {}), by_byte, 3);
  EXPECT_THAT(got.prefix, ElementsAre('x', 'y', 'z'));
  EXPECT_TRUE(got.branches.empty());
  EXPECT_TRUE(got.unscored.empty());
}

TEST(TokenizeChoices, AnEmptyPromptNeedsABosOrAFirstTokenThatAllChoicesShare) {
  const auto with_bos = tokenize_choices(prompt_of("", {"x", "y"}), by_byte_with_bos, 100);
  EXPECT_THAT(with_bos.prefix, ElementsAre(1000));
  const auto shared = tokenize_choices(prompt_of("", {"xa", "xb"}), by_byte, 100);
  EXPECT_THAT(shared.prefix, ElementsAre('x'));
  EXPECT_THAT(shared.branches, ElementsAre(ElementsAre('a'), ElementsAre('b')));
  EXPECT_THAT(shared.unscored, ElementsAre(0u, 0u));
  EXPECT_THAT(
      [] {
        (void)tokenize_choices(prompt_of("", {"x", "y"}), by_byte, 100);
      },
      invalid("no token stands before the choices"));
  EXPECT_THAT(
      [] {
        (void)tokenize_choices(prompt_of("", {"", "y"}), by_byte, 100);
      },
      invalid("no token stands before the choices"));
  EXPECT_THAT([] { (void)tokenize_choices(prompt_of("", {}), by_byte, 100); }, invalid("empty"));
}

TEST(TokenizeChoices, PrefixAndBranchesAreTheTokensOfPromptAndChoiceForRandomTexts) {
  Rng rng(5);
  const auto random_text = [&](std::size_t least, std::size_t most, std::string text = {}) {
    for (std::size_t n = least + rng.below(most - least + 1); n > 0; --n)
      text += " abc"[rng.below(4)];
    return text;
  };
  for (int trial = 0; trial < 500; ++trial) {
    // 'x' merges with nothing: the first token is always shared.
    const RenderedPrompt prompt = prompt_of(
        random_text(1, 8, "x"), {random_text(0, 4), random_text(0, 4), random_text(1, 4)});
    const Tokens alone = by_pairs(prompt.text);

    const TokenizedChoices got = tokenize_choices(prompt, by_pairs, 100);

    ASSERT_GE(got.prefix.size(), 1u);
    std::size_t least_unscored = 100;
    for (std::size_t c = 0; c < 3; ++c) {
      Tokens joined = got.prefix;
      joined.insert(joined.end(), got.branches[c].begin(), got.branches[c].end());
      ASSERT_EQ(joined, by_pairs(prompt.text + prompt.choices[c]));
      const std::size_t common = std::min(common_prefix(alone, joined), joined.size() - 1);
      ASSERT_EQ(got.prefix.size() + got.unscored[c], common);
      ASSERT_LT(got.unscored[c], got.branches[c].size());
      least_unscored = std::min(least_unscored, got.unscored[c]);
    }
    ASSERT_EQ(least_unscored, 0u) << "the prefix could be longer";
  }
}

TEST(TokenizeChoices, TokenizesThePromptOnceAndOnceAChoice) {
  int calls = 0;
  const auto counting = [&](std::string_view text) {
    ++calls;
    return by_byte(text);
  };
  (void)tokenize_choices(prompt_of("Q:", {"a", "b", "c"}), counting, 100);
  EXPECT_EQ(calls, 4);
}

TEST(TokenizeChoices, RefusesAPromptThatIsTooLongBeforeItReadsAnyChoice) {
  int calls = 0;
  const auto counting = [&](std::string_view text) {
    ++calls;
    return by_byte(text);
  };
  const auto prompt = prompt_of("0123456789", std::vector<std::string>(256, "a"));
  EXPECT_THAT([&] { (void)tokenize_choices(prompt, counting, 9); },
              invalid("10 tokens without a choice and no passage to cut; expected at most 9"));
  EXPECT_EQ(calls, 1);
}

TEST(TokenizeChoices, StopsBetweenChoicesWhenInterrupted) {
  int calls = 0;
  const auto interrupting = [&](std::string_view text) {
    if (++calls == 3) set_interrupted(true);
    return by_byte(text);
  };
  EXPECT_THROW((void)tokenize_choices(prompt_of("Q:", {"a", "b", "c"}), interrupting, 100),
               Interrupted);
  set_interrupted(false);
  EXPECT_EQ(calls, 3);
}

TEST(TokenizeChoices, CutsThePassageFromTheLeftJustEnoughAndSaysHowMuch) {
  // "0123456789\nQ:" is 13 tokens, the longest choice 4: 17 in all.
  const RenderedPrompt prompt = with_passage("0123456789");
  EXPECT_EQ(tokenize_choices(prompt, by_byte, 17).cut_tokens, 0u);
  const TokenizedChoices got = tokenize_choices(prompt, by_byte, 14);
  EXPECT_EQ(got.cut_tokens, 3u);
  EXPECT_EQ(got.prefix, by_byte("3456789\nQ:"));
  const TokenizedChoices bare = tokenize_choices(prompt, by_byte, 7);
  EXPECT_EQ(bare.cut_tokens, 10u);
  EXPECT_EQ(bare.prefix, by_byte("\nQ:"));
}

TEST(TokenizeChoices, CutsInTheMiddleOfAPromptOnlyThePassage) {
  RenderedPrompt prompt = prompt_of("<user>0123456789</>", {"a", "b"});
  prompt.passage_begin = 6;
  prompt.passage_end = 16;
  const TokenizedChoices got = tokenize_choices(prompt, by_byte, 14);
  EXPECT_EQ(got.prefix, by_byte("<user>6789</>"));
  EXPECT_EQ(got.cut_tokens, 6u);
}

TEST(TokenizeChoices, CutsBetweenCharactersNeverInsideOne) {
  const RenderedPrompt prompt = with_passage("ää€€😀😀");  // 2 + 2 + 3 + 3 + 4 + 4 bytes
  for (std::size_t limit = 7; limit < 7 + 18; ++limit) {
    const TokenizedChoices got = tokenize_choices(prompt, by_byte, limit);
    ASSERT_LE(got.prefix.size() + got.branches[0].size(), limit);
    ASSERT_NE(got.prefix.front() & 0xC0, 0x80) << "starts inside a character at limit " << limit;
  }
  EXPECT_EQ(tokenize_choices(prompt, by_byte, 7 + 8).prefix, by_byte("😀😀\nQ:"));
}

TEST(TokenizeChoices, CutsUntilItFitsEvenIfChoicesGrowWithTheCut) {
  // A choice costs 9 tokens more once the passage's first byte is gone.
  const auto growing = [](std::string_view text) {
    Tokens out = by_byte(text);
    if (!text.starts_with('0') && !text.ends_with(':')) out.insert(out.end(), 9, 'x');
    return out;
  };
  const TokenizedChoices got = tokenize_choices(with_passage("0123456789"), growing, 16);
  EXPECT_EQ(got.prefix.size() + got.branches[0].size(), 16u);
  EXPECT_EQ(got.prefix, by_byte("\nQ:"));
}

TEST(TokenizeChoices, SaysBothNumbersWhenItCannotFit) {
  EXPECT_THAT(
      [] { (void)tokenize_choices(with_passage("0123456789"), by_byte, 6); },
      invalid("17 tokens with the longest choice, 7 without its passage; expected at most 6"));
  EXPECT_THAT(
      [] { (void)tokenize_choices(prompt_of("0123456789", {"a"}), by_byte, 10); },
      invalid("11 tokens with the longest choice and no passage to cut; expected at most 10"));
}

}  // namespace
}  // namespace crayon
