#include "crayon/prompt/answer.h"

#include <gmock/gmock.h>

#include "crayon/base/error.h"

namespace crayon {
namespace {

using ::testing::HasSubstr;
using Choices = std::vector<std::string>;

const Choices kCities{"Berlin", "New York", "Paris", "York"};
const Choices kAnimals{"cat", "I saw a bird", "A dog", "vitamin C"};
const Choices kTen{"q", "r", "s", "t", "u", "v", "w", "x", "y", "z"};
const Choices kNumbers{"1", "-1", "3.5", "35"};
const Choices kNone;
const Choices kYesNo{"yes", "no"};

struct Reply {
  std::string text;
  const Choices& choices;
  std::optional<int> meant;
};
void PrintTo(const Reply& reply, std::ostream* out) { *out << '"' << reply.text << '"'; }
class ReplyTest : public ::testing::TestWithParam<Reply> {};

TEST_P(ReplyTest, IsReadAsMeant) {
  EXPECT_EQ(parse_choice(GetParam().text, GetParam().choices), GetParam().meant);
}

INSTANTIATE_TEST_SUITE_P(
    Letters, ReplyTest,
    ::testing::Values(
        Reply{"B", kCities, 1}, Reply{"b", kCities, 1}, Reply{"b)", kCities, 1},
        Reply{"(B)", kCities, 1}, Reply{"[C]", kCities, 2}, Reply{"**B**", kCities, 1},
        Reply{"**B", kCities, 1}, Reply{" \n B.\n", kCities, 1}, Reply{"\"C\"", kCities, 2},
        Reply{"'C'", kCities, 2}, Reply{"Answer: B", kCities, 1},
        Reply{"**Answer:** D", kCities, 3}, Reply{"answer: (b)", kCities, 1},
        Reply{"The answer is B.", kCities, 1}, Reply{"The correct choice is (C)", kCities, 2},
        Reply{"The answer is A because", kCities, 0}, Reply{"I choose option D", kCities, 3},
        Reply{"I think B", kCities, 1}, Reply{"It's C!", kCities, 2},
        Reply{"B. New York", kCities, 1}, Reply{"C: Paris", kCities, 2},
        Reply{"A Berlin", kCities, 0}, Reply{"D - York", kCities, 3},
        Reply{"B\n\nExplanation: A is cold.", kCities, 1},
        Reply{"B. Because A is wrong", kCities, 1}, Reply{"B is the best answer", kCities, 1},
        Reply{"A is right", kCities, 0}, Reply{"It is C, not A", kCities, 2},
        Reply{"D. vitamin C", kAnimals, 3}, Reply{"J", kTen, 9}, Reply{"I", kTen, 8},
        Reply{"I.", kTen, 8}));

INSTANTIATE_TEST_SUITE_P(
    Texts, ReplyTest,
    ::testing::Values(Reply{"Paris", kCities, 2}, Reply{"paris.", kCities, 2},
                      Reply{"\"Paris\"", kCities, 2},
                      Reply{"It is Paris, the capital of France", kCities, 2},
                      Reply{"New York", kCities, 1}, Reply{"In New York!", kCities, 1},
                      Reply{"York", kCities, 3}, Reply{"A dog", kAnimals, 2},
                      Reply{"A dog barks.", kAnimals, 2}, Reply{"a dog", kAnimals, 2},
                      Reply{"I saw a bird", kAnimals, 1}, Reply{"vitamin C", kAnimals, 3},
                      Reply{"the cat", kAnimals, 0}, Reply{"-1", kNumbers, 1},
                      Reply{"1", kNumbers, 0}, Reply{"3.5", kNumbers, 2}, Reply{"35", kNumbers, 3},
                      Reply{"Yes", kYesNo, 0}, Reply{"No, it does not.", kYesNo, 1}));

INSTANTIATE_TEST_SUITE_P(
    Nothing, ReplyTest,
    ::testing::Values(
        Reply{"", kCities, std::nullopt}, Reply{"   \n", kCities, std::nullopt},
        Reply{"???", kCities, std::nullopt}, Reply{"'", kCities, std::nullopt},
        Reply{"A or B", kCities, std::nullopt}, Reply{"A, B", kCities, std::nullopt},
        Reply{"B and C", kCities, std::nullopt}, Reply{"A/B", kCities, std::nullopt},
        Reply{"The answer is A or B", kCities, std::nullopt},
        Reply{"(A) or (B)", kCities, std::nullopt}, Reply{"Paris or Berlin", kCities, std::nullopt},
        Reply{"I'm sorry, I cannot answer that.", kTen, std::nullopt},
        Reply{"I do not know", kTen, std::nullopt},
        Reply{"I would say it is a transfer", kTen, std::nullopt},
        Reply{"I should think so", kTen, std::nullopt}, Reply{"E", kCities, std::nullopt},
        Reply{"The answer is F.", kCities, std::nullopt}, Reply{"Rome", kCities, std::nullopt},
        Reply{"yes and no", kYesNo, std::nullopt}, Reply{"B", kNone, std::nullopt}));

TEST(ParseChoice, ReadsHostileRepliesWithoutHarm) {
  const std::string long_reply(1 << 20, 'A');
  EXPECT_EQ(parse_choice(long_reply, kCities), std::nullopt);
  std::string all_bytes;
  for (int i = 0; i < 256; ++i) all_bytes += static_cast<char>(i);
  EXPECT_EQ(parse_choice(all_bytes, kCities), std::nullopt);
}

TEST(LetteredQuestion, HoldsContextQuestionAndEachChoiceWithItsLetter) {
  Example example;
  example.question = "Which city?";
  example.context = "A passage.";
  example.choices = kCities;

  const auto messages = lettered_question(example);

  ASSERT_EQ(messages.size(), 1u);
  EXPECT_EQ(messages[0].role, "user");
  for (const std::string part :
       {"A passage.\n\nQuestion: Which city?\n", "\nA. Berlin\n", "\nD. York\n", "letter only"}) {
    EXPECT_THAT(messages[0].content, HasSubstr(part));
  }
}

TEST(LetteredQuestion, RefusesNoneAndMoreChoicesThanLetters) {
  Example example;
  EXPECT_THROW((void)lettered_question(example), Error);
  example.choices.assign(26, "x");
  EXPECT_THAT(lettered_question(example)[0].content, HasSubstr("\nZ. x\n"));
  example.choices.assign(27, "x");
  EXPECT_THROW((void)lettered_question(example), Error);
}

TEST(LetterLogProbs, SumsTheSpellingsOfALetterAndBoundsTheOthers) {
  const std::vector<std::pair<std::string, double>> tokens = {
      {"B", std::log(0.4)}, {" B", std::log(0.2)},  {"The", std::log(0.1)},
      {"a", std::log(0.1)}, {"(A", std::log(0.05)}, {"Z", std::log(0.01)}};
  const auto letters = letter_log_probs(tokens, 3);
  ASSERT_EQ(letters.size(), 3u);
  EXPECT_NEAR(letters[0], std::log(0.05), 1e-9);  // the small one is an article
  EXPECT_NEAR(letters[1], std::log(0.6), 1e-9);
  EXPECT_NEAR(letters[2], std::log(0.01), 1e-9);
}

TEST(LetterLogProbs, AreNoneWhereNoLetterIsAmongTheTokens) {
  const std::vector<std::pair<std::string, double>> tokens = {{"The", -0.1}, {" D", -3}};
  EXPECT_TRUE(letter_log_probs(tokens, 3).empty());
  EXPECT_TRUE(letter_log_probs({}, 3).empty());
}

TEST(NormalizeAnswer, DropsCasePunctuationArticlesAndBlanks) {
  EXPECT_EQ(normalize_answer("  The Eiffel-Tower!\n"), "eiffeltower");
  EXPECT_EQ(normalize_answer("an  Apple, a day"), "apple day");
  EXPECT_EQ(normalize_answer("It's  Zoë's"), "its zoës");
  EXPECT_EQ(normalize_answer("the"), "");
}

}  // namespace
}  // namespace crayon
