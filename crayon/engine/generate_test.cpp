// Generated text on tiny random models.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "crayon/engine/internal/llama_engine.h"
#include "crayon/engine/internal/tiny_model_test.h"

namespace crayon {
namespace {

using ::testing::FloatNear;
using ::testing::Pointwise;
using ::testing::Property;
using ::testing::Throws;

class Generate : public TinyModel {
 protected:
  /// An answer, what was said of its prompt's hidden state, and how many tokens that took.
  struct Heard {
    std::string text;
    std::vector<float> hidden;
    std::size_t tokens_read;
    bool before_first_token = false;
  };
  static Heard hear(Engine& engine, GenerateOptions options, const EmbeddingSpec* spec = nullptr) {
    Heard heard;
    if (spec != nullptr) {
      options.embedding = *spec;
      options.on_hidden = [&](std::span<const float> h) {
        heard.hidden.assign(h.begin(), h.end());
      };
    }
    const auto& llama = dynamic_cast<const internal::LlamaEngine&>(engine);
    const std::size_t before = llama.tokens_read();
    const auto listen = [&](const GeneratedToken&) {
      if (heard.text.empty()) heard.before_first_token = !heard.hidden.empty();
      return true;
    };
    heard.text = engine.generate(kText, options, listen).text;
    heard.tokens_read = llama.tokens_read() - before;
    return heard;
  }
  void set_random_adapter(Engine& engine, int first_layer) {
    const Adapter adapter = random_model_adapter(options_, first_layer, 2, 5);
    const BlendPart part{adapter, 1.0f};
    engine.set_adapters({&part, 1});
  }
};
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

TEST_P(Generate, ThePassThatAnswersGivesTheHiddenStateOfThePromptToo) {
  const std::vector<RenderedPrompt> prompts = {{.text = kText, .choices = {}}};
  for (const int batch_tokens : {512, 7}) {
    const auto engine = model_->open_engine(exact(batch_tokens));
    for (const bool adapted : {false, true}) {
      if (adapted) set_random_adapter(*engine, 2);
      const Heard plain = hear(*engine, {.max_tokens = 4});
      EXPECT_TRUE(plain.hidden.empty());
      for (const auto pooling : {Pooling::Mean, Pooling::Last}) {
        for (const int layer : {0, 1, 2}) {
          const EmbeddingSpec spec{layer, pooling};
          const Heard heard = hear(*engine, {.max_tokens = 4}, &spec);
          EXPECT_THAT(heard.hidden, Pointwise(FloatNear(1e-5f), engine->embed(prompts, spec).data))
              << layer;
          EXPECT_TRUE(heard.before_first_token);
          EXPECT_EQ(heard.tokens_read, plain.tokens_read) << "no pass of its own";
          EXPECT_EQ(heard.text, plain.text);
        }
      }
    }
  }
}

TEST_P(Generate, AHiddenStateThatThePassDoesNotShowIsStillTheBases) {
  const std::vector<RenderedPrompt> prompts = {{.text = kText, .choices = {}}};
  const auto engine = model_->open_engine(exact());
  const EmbeddingSpec above{2, Pooling::Last}, whole{options_.n_layers, Pooling::Mean};
  const auto base = engine->embed(prompts, above).data;
  set_random_adapter(*engine, 0);
  const Heard plain = hear(*engine, {.max_tokens = 4});
  const Heard heard = hear(*engine, {.max_tokens = 4}, &above);
  EXPECT_THAT(heard.hidden, Pointwise(FloatNear(1e-5f), base)) << "not the adapted one";
  EXPECT_EQ(heard.text, plain.text) << "written with the adapter";
  EXPECT_EQ(heard.tokens_read, plain.tokens_read + prompt_tokens(kText).size());

  engine->set_adapters({});
  EXPECT_THAT(hear(*engine, {.max_tokens = 4}, &whole).hidden,
              Pointwise(FloatNear(1e-5f), engine->embed(prompts, whole).data));
  EXPECT_THAT(hear(*engine, {.max_tokens = 0}, &above).hidden, Pointwise(FloatNear(1e-5f), base))
      << "also where no token is asked for";
  const EmbeddingSpec none{options_.n_layers + 1, Pooling::Last};
  EXPECT_THAT([&] { (void)hear(*engine, {.max_tokens = 4}, &none); },
              Throws<Error>(Property(&Error::code, ErrorCode::InvalidArgument)));
}

}  // namespace
}  // namespace crayon
