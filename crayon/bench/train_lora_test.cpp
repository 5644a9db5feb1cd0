#include "crayon/bench/train_lora.h"

#include <gtest/gtest.h>

#include "crayon/bench/internal/bench_world_test.h"
#include "crayon/testing/random.h"

namespace crayon {
namespace {

TEST(TokensToTrain, LeaveNoRowOut) {
  TemporaryFolder folder;
  write_random_model(folder.path() / "model.gguf");
  const auto model = open_model(folder.path() / "model.gguf");
  const auto tokens = [&](const std::vector<BenchRow>& rows) {
    return tokens_to_train(*model, PromptFormat{}, rows);
  };
  const BenchRow brief = make_row("a", "short", {"yes", "no"}, 0);
  EXPECT_EQ(tokens({brief}), kUsualTokens);
  BenchRow row = brief;
  row.example.question = std::string(400, 'x');
  const int prompt = tokens({brief, row});
  EXPECT_GT(prompt, kUsualTokens);
  row.example.choices.assign(8, std::string(30, 'y'));
  const int eight = tokens({row});
  EXPECT_GT(eight, prompt);
  row.example.choices.assign(9, std::string(30, 'y'));
  EXPECT_EQ(tokens({row}), eight) << "the trainer takes eight choices of a row";
}

}  // namespace
}  // namespace crayon
