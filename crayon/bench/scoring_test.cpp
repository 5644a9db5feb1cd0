#include "crayon/bench/scoring.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "crayon/base/error.h"
#include "crayon/bench/internal/bench_world_test.h"

namespace crayon {
namespace {

using ::testing::HasSubstr;
using ::testing::Property;
using ::testing::Throws;

BenchRow row() { return make_row("r", "What is wet?", {"water", "a stone", "die Wüste"}, 0); }

TEST(Scoring, NamesGoBothWays) {
  for (const char* name : {"mean", "sum", "character", "letter"}) {
    EXPECT_EQ(to_string(parse_scoring(name)), name);
  }
  EXPECT_THAT([] { (void)parse_scoring("acc"); },
              Throws<Error>(Property(&Error::what, HasSubstr("mean, sum, character, letter"))));
}

TEST(Scoring, ChoicesAreScoredAsTheirNamesSay) {
  const ScoredChoice choice{.sum_log_prob = -6, .tokens = 3};
  EXPECT_EQ(choice_score(Scoring::Mean, choice, "die Wüste"), -2);
  EXPECT_EQ(choice_score(Scoring::Sum, choice, "die Wüste"), -6);
  EXPECT_FLOAT_EQ(choice_score(Scoring::Character, choice, "die Wüste"), -6.0f / 9);
  EXPECT_EQ(choice_score(Scoring::Letter, {.sum_log_prob = -3, .tokens = 1}, "C"), -3);
}

class Scorer : public ::testing::Test {
 protected:
  BenchScorer scorer(Scoring scoring = Scoring::Mean, int context = 128) {
    return {world_.model(),
            world_.engine(),
            world_.pool().manifest().prompt,
            store_,
            {.scoring = scoring,
             .context_tokens = context,
             .first_layer = world_.pool().manifest().first_layer}};
  }
  BenchWorld world_;
  ResultStore store_{world_.path("work")};
};

TEST_F(Scorer, PromptsHoldShotsLettersAndVerbatimTexts) {
  const PromptFormat format;
  const BenchRow asked = row();
  const std::vector<BenchRow> shots = {make_row("s", "Hot?", {"ice", "fire"}, 1)};
  EXPECT_EQ(bench_prompt(world_.model(), format, asked, Scoring::Mean, shots).text,
            "Question: Hot?\nAnswer: fire\n\nQuestion: What is wet?\nAnswer:");
  const auto letters = bench_prompt(world_.model(), format, asked, Scoring::Letter, shots);
  EXPECT_EQ(letters.text,
            "Question: Hot?\nA. ice\nB. fire\nAnswer: B\n\n"
            "Question: What is wet?\nA. water\nB. a stone\nC. die Wüste\nAnswer:");
  EXPECT_EQ(letters.choices, (std::vector<std::string>{" A", " B", " C"}));
  BenchRow verbatim = asked;
  verbatim.text = "Wet:";
  verbatim.delimiter = "_";
  const auto prompt = bench_prompt(world_.model(), format, verbatim, Scoring::Mean);
  EXPECT_EQ(prompt.text, "Wet:");
  EXPECT_EQ(prompt.choices.front(), "_water");
}

TEST_F(Scorer, APassageStaysMarkedBehindShots) {
  BenchRow asked = row();
  asked.example.context = "A river.";
  const auto prompt =
      bench_prompt(world_.model(), PromptFormat{}, asked, Scoring::Mean, {&asked, 1});
  EXPECT_EQ(prompt.text.substr(prompt.passage_begin, prompt.passage_end - prompt.passage_begin),
            "A river.");
  EXPECT_GT(prompt.passage_begin, 10u);
}

TEST_F(Scorer, TheStoreGivesBackWhatWasScoredAndSaysWhatItSaved) {
  const std::vector<BenchRow> rows = {row()};
  auto first = scorer();
  const RowScores worked = first.score(nullptr, rows);
  EXPECT_EQ(first.take_saved_seconds(), 0);
  auto second = scorer();
  const RowScores found = second.score(nullptr, rows);
  EXPECT_EQ(found.scores, worked.scores);
  EXPECT_EQ(found.tokens, worked.tokens);
  EXPECT_EQ(second.take_saved_seconds(), worked.seconds);
  EXPECT_EQ(second.embed(rows, {1, Pooling::Last}).data,
            first.embed(rows, {1, Pooling::Last}).data);

  const Adapter adapter = random_model_adapter({}, 1, 2, 5);
  EXPECT_NE(second.score(&adapter, rows).scores, worked.scores);
  auto sums = scorer(Scoring::Sum);
  EXPECT_NE(sums.score(nullptr, rows).scores, worked.scores);
}

TEST_F(Scorer, OnlyShotsThatLeaveRoomForTheLongestRowAreUsed) {
  const std::vector<BenchRow> rows = {row()};
  const std::vector<BenchRow> shots(20, row());
  auto small = scorer(Scoring::Mean, 100);
  const std::size_t n = small.fitting_shots(rows, shots);
  EXPECT_GT(n, 0u);
  EXPECT_LT(n, 20u);
  EXPECT_EQ(small.score(nullptr, rows, std::span(shots).first(n)).cut_rows, 0u);
  EXPECT_THAT([&] { (void)small.score(nullptr, rows, shots); },
              Throws<Error>(Property(&Error::what, HasSubstr("'r'"))));
}

TEST_F(Scorer, MoreChoicesThanLettersAreRefused) {
  BenchRow many = row();
  many.example.choices.assign(27, "x");
  EXPECT_THAT([&] { (void)scorer(Scoring::Letter).score(nullptr, {many}); },
              Throws<Error>(Property(&Error::what, HasSubstr("27 choices"))));
}

}  // namespace
}  // namespace crayon
