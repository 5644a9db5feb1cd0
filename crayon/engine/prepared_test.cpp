// Prompts that are prepared once and scored under several adapters get the scores that each prompt
// has by itself.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "crayon/base/error.h"
#include "crayon/engine/engine.h"
#include "crayon/formats/adapter_file.h"
#include "crayon/testing/random.h"

namespace crayon {
namespace {

using ::testing::AllOf;
using ::testing::FloatNear;
using ::testing::HasSubstr;
using ::testing::Pointwise;
using ::testing::Property;
using ::testing::Throws;

std::vector<RenderedPrompt> some_prompts() {
  std::vector<RenderedPrompt> prompts = {
      {.text = "What is wet?", .choices = {" water", " a stone", " x"}},
      {.text = "Yes or no?", .choices = {" y", " n"}},
      {.text = "A",
       .choices = {" the warm sun", " the warm sea", " it", " everything that is far"}},
      {.text = std::string(90, 'w') + " and then?", .choices = {" on we go", " stop"}},
      {.text = "What is hot?", .choices = {" fire"}}};
  RenderedPrompt many{.text = "Which of all these numbers?", .choices = {}};
  for (int i = 0; i < 300; ++i) many.choices.push_back(fmt::format(" {}", i));
  prompts.push_back(many);
  return prompts;
}

class Prepared : public ::testing::TestWithParam<const char*> {
 protected:
  Prepared() {
    shape_.architecture = GetParam();
    shape_.n_layers = 4;
    write_random_model(folder_.path() / "tiny.gguf", shape_);
    model_ = open_model(folder_.path() / "tiny.gguf", {.with_hash = false});
  }
  std::unique_ptr<Engine> engine(int batch_tokens = 512, bool splits = true) const {
    return model_->open_engine({.threads = 1,
                                .context_tokens = 256,
                                .exact = true,
                                .batch_tokens = batch_tokens,
                                .splits = splits});
  }
  static std::vector<float> sums(const ScoreResult& result) {
    std::vector<float> found;
    for (const ScoredChoice& c : result.choices) found.push_back(c.sum_log_prob);
    return found;
  }
  static void expect_as_one_by_one(Engine& engine, const PreparedPrompts& prepared) {
    const auto prompts = some_prompts();
    const auto results = engine.score_prepared(prepared);
    ASSERT_EQ(results.size(), prompts.size());
    for (std::size_t i = 0; i < prompts.size(); ++i) {
      const ScoreResult alone = engine.score({.prompt = prompts[i], .embed = false}, {});
      EXPECT_THAT(sums(results[i]), Pointwise(FloatNear(1e-3f), sums(alone))) << i;
      EXPECT_EQ(results[i].prompt_tokens, alone.prompt_tokens);
      EXPECT_EQ(results[i].choices.front().tokens, alone.choices.front().tokens);
    }
  }

  TemporaryFolder folder_;
  RandomModelOptions shape_;
  std::shared_ptr<Model> model_;
};

TEST_P(Prepared, ScoresAreThoseOfEachPromptAloneUnderOneAdapterAfterAnother) {
  const auto engine = this->engine();
  const Adapter low = random_model_adapter(shape_, 2, 2, 5);
  const Adapter high = random_model_adapter(shape_, 3, 3, 6);
  const BlendPart both[] = {{low, 0.7f}, {high, -1.5f}};
  const BlendPart one[] = {{high, 1.0f}};
  const auto prepared = engine->prepare(some_prompts(), {.first_layer = 2});
  expect_as_one_by_one(*engine, *prepared);
  engine->set_adapters(both);
  expect_as_one_by_one(*engine, *prepared);
  engine->set_adapters(one);
  expect_as_one_by_one(*engine, *prepared);
  engine->set_adapter_bytes(adapter_to_gguf(low, {.architecture = shape_.architecture,
                                                  .name = "low",
                                                  .type = TensorType::F16,
                                                  .metadata = {}}),
                            "low");
  expect_as_one_by_one(*engine, *prepared);
  engine->set_adapters({});
  expect_as_one_by_one(*engine, *prepared);
  EXPECT_GT(prepared->bytes(), 1000U);
}

TEST_P(Prepared, ScoresDoNotDependOnTheLengthOfPassesOrTheLowestBlock) {
  const Adapter adapter = random_model_adapter(shape_, 3, 2, 5);
  const BlendPart part[] = {{adapter, 1.0f}};
  for (const int batch_tokens : {16, 100}) {
    const auto engine = this->engine(batch_tokens);
    engine->set_adapters(part);
    for (const int first_layer : {0, 1, 3, 4}) {
      expect_as_one_by_one(*engine, *engine->prepare(some_prompts(), {.first_layer = first_layer}));
    }
  }
}

/// W mean(state) = mean(W state) = the mean row of logits, where W is the table of embeddings.
TEST_P(Prepared, AStateIsWhatTheLastNormPutsOutOverAChoicesTokens) {
  const auto engine = this->engine();
  const Adapter adapter = random_model_adapter(shape_, 3, 2, 5);
  const BlendPart part[] = {{adapter, 1.0f}};
  engine->set_adapters(part);
  const auto prompts = some_prompts();
  const auto prepared = engine->prepare(prompts, {.first_layer = 2, .states = true});
  const auto results = engine->score_prepared(*prepared);
  const auto without = engine->score_prepared(*engine->prepare(prompts, {.first_layer = 2}));
  const FloatTensor table = model_->tensor("token_embd.weight");
  const auto d = static_cast<std::size_t>(shape_.d_model);
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    EXPECT_THAT(sums(results[i]), Pointwise(FloatNear(1e-3f), sums(without[i]))) << i;
    const ScoreResult alone =
        engine->score({.prompt = prompts[i], .embed = false, .states = true}, {});
    EXPECT_THAT(sums(alone), Pointwise(FloatNear(1e-3f), sums(without[i]))) << i;
    const auto tokens = tokenize_choices(prompts[i], prompt_tokenizer(*model_), 256);
    for (std::size_t c = 0; c < tokens.branches.size(); c += 7) {
      const auto& state = results[i].choices[c].state;
      ASSERT_EQ(state.size(), d);
      EXPECT_THAT(alone.choices[c].state, Pointwise(FloatNear(1e-3f), state)) << i << " " << c;
      std::vector<int> ids = tokens.prefix;
      ids.insert(ids.end(), tokens.branches[c].begin(), tokens.branches[c].end());
      const Matrix logits = engine->logits(ids);
      const std::size_t first = tokens.prefix.size() + tokens.unscored[c];
      for (const std::size_t token : {65U, 97U, 200U}) {
        double want = 0;
        for (std::size_t row = first; row < ids.size(); ++row) {
          want +=
              static_cast<double>(logits.at(row, token)) / static_cast<double>(ids.size() - first);
        }
        double got = 0;
        for (std::size_t j = 0; j < d; ++j) {
          got += static_cast<double>(table.data[token * d + j]) * static_cast<double>(state[j]);
        }
        EXPECT_NEAR(got, want, 1e-3) << i << " " << c;
      }
    }
  }
  EXPECT_TRUE(without.front().choices.front().state.empty());
}

TEST_P(Prepared, AnEngineThatDoesNotSplitTakesAnyAdapter) {
  const auto engine = this->engine(512, false);
  const Adapter adapter = random_model_adapter(shape_, 0, 2, 5);
  const BlendPart part[] = {{adapter, 1.0f}};
  const auto prepared = engine->prepare(some_prompts(), {.first_layer = 2});
  expect_as_one_by_one(*engine, *prepared);
  engine->set_adapters(part);
  expect_as_one_by_one(*engine, *prepared);
  engine->set_adapters({});
  expect_as_one_by_one(*engine, *prepared);
}

TEST_P(Prepared, AnAdapterBelowTheLowestBlockIsRefusedByName) {
  const auto engine = this->engine();
  const auto prepared = engine->prepare(some_prompts(), {.first_layer = 2});
  const Adapter adapter = random_model_adapter(shape_, 1, 2, 5);
  const BlendPart part[] = {{adapter, 1.0f}};
  engine->set_adapters(part);
  EXPECT_THAT([&] { (void)engine->score_prepared(*prepared); },
              Throws<Error>(AllOf(Property(&Error::code, ErrorCode::Incompatible),
                                  Property(&Error::what, HasSubstr("'blk.1.attn_k.weight'")))));
  engine->set_adapters({});
  expect_as_one_by_one(*engine, *prepared);
}

TEST_P(Prepared, APromptWithoutChoicesOrLongerThanTheContextIsRefused) {
  const auto engine = this->engine();
  const std::vector<RenderedPrompt> none = {{.text = "What?", .choices = {}}};
  EXPECT_THAT([&] { (void)engine->prepare(none, {.first_layer = 2}); },
              Throws<Error>(Property(&Error::what, HasSubstr("no choices"))));
  const std::vector<RenderedPrompt> longer = {{.text = std::string(300, 'w'), .choices = {" x"}}};
  EXPECT_THAT([&] { (void)engine->prepare(longer, {.first_layer = 2}); },
              Throws<Error>(Property(&Error::code, ErrorCode::InvalidArgument)));
}

INSTANTIATE_TEST_SUITE_P(Architectures, Prepared, ::testing::Values("llama", "qwen2"));

}  // namespace
}  // namespace crayon
