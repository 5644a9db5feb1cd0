// Generated text on tiny random models.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "crayon/engine/internal/tiny_model_test.h"

namespace crayon {
namespace {

using ::testing::Property;
using ::testing::Throws;

class Generate : public TinyModel {};
CRAYON_EACH_ARCHITECTURE(Generate);

TEST_P(Generate, GreedyTextIsTheArgmaxOfTheLogits) {
  const auto engine = model_->open_engine(exact());
  const auto got = engine->generate(kText, {.max_tokens = 8, .top_log_probs = 3});
  auto tokens = prompt_tokens(kText);
  EXPECT_EQ(got.prompt_tokens, tokens.size());
  ASSERT_FALSE(got.tokens.empty());
  for (const auto& token : got.tokens) {
    const Matrix logits = engine->logits(tokens);
    const auto row = logits.row(tokens.size() - 1);
    const auto best = std::max_element(row.begin(), row.end()) - row.begin();
    EXPECT_EQ(token.id, best);
    EXPECT_NEAR(token.log_prob, log_prob_at(logits, tokens.size() - 1, token.id), 1e-3);
    ASSERT_EQ(token.top.size(), 3u);
    EXPECT_EQ(token.top[0].id, token.id);
    EXPECT_GE(token.top[1].log_prob, token.top[2].log_prob);
    tokens.push_back(token.id);
  }
}

TEST_P(Generate, SampledTextDependsOnTheSeedAlone) {
  const auto engine = model_->open_engine(exact());
  const auto text = [&](std::uint64_t seed) {
    return engine
        ->generate(kText, {.max_tokens = 12, .temperature = 1, .top_p = 0.95f, .seed = seed})
        .text;
  };
  EXPECT_EQ(text(1), text(1));
  EXPECT_NE(text(1), text(2));
}

TEST_P(Generate, StopTextEndsTheAnswerAndIsNotPartOfIt) {
  const auto engine = model_->open_engine(exact());
  const auto full = engine->generate(kText, {.max_tokens = 40});
  ASSERT_GT(full.tokens.size(), 4u);
  // The end of one token and the beginning of the next.
  std::size_t at = 0;
  for (std::size_t i = 0; i + 1 < full.tokens.size() && at + 2 < full.text.size() / 2; ++i) {
    at += full.tokens[i].text.size();
  }
  const std::string stop = full.text.substr(at - 1, 2);
  std::string streamed;
  const auto got =
      engine->generate(kText, {.max_tokens = 40, .stop = {stop}}, [&](const GeneratedToken& token) {
        streamed += token.text;
        return true;
      });
  EXPECT_EQ(got.text, full.text.substr(0, full.text.find(stop)));
  EXPECT_EQ(streamed, got.text);
  EXPECT_EQ(got.finish, FinishReason::Stop);
}

TEST_P(Generate, GeneratingStopsAtTheLimitTheContextAndOnRequest) {
  const auto engine = model_->open_engine(exact());
  EXPECT_EQ(engine->generate(kText, {.max_tokens = 0}).tokens.size(), 0u);
  const auto endless = engine->generate(kText, {.max_tokens = 100000});
  EXPECT_LE(endless.prompt_tokens + endless.tokens.size(), 256u);
  int seen = 0;
  const auto cancelled = engine->generate(kText, {.max_tokens = 40},
                                          [&](const GeneratedToken&) { return ++seen < 2; });
  EXPECT_EQ(cancelled.finish, FinishReason::Cancelled);
  EXPECT_EQ(seen, 2);
  EXPECT_THAT([&] { (void)engine->generate(std::string(5000, 'z'), {}); },
              Throws<Error>(Property(&Error::code, ErrorCode::InvalidArgument)));
}

}  // namespace
}  // namespace crayon
