// The engine on tiny random models: every score against one computed the slow way.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <span>

#include "crayon/base/files.h"
#include "crayon/engine/internal/tiny_model_test.h"
#include "crayon/formats/adapter_file.h"

namespace crayon {
namespace {

using ::testing::AllOf;
using ::testing::FloatNear;
using ::testing::HasSubstr;
using ::testing::Pointwise;
using ::testing::Property;
using ::testing::Throws;

class EngineTest : public TinyModel {};
CRAYON_EACH_ARCHITECTURE(EngineTest);

/// Each choice alone, in full, through logits().
std::vector<float> slow_scores(Engine& engine, const std::vector<int>& prompt,
                               const std::vector<std::vector<int>>& wholes) {
  std::vector<float> scores;
  for (const auto& whole : wholes) {
    const Matrix logits = engine.logits(whole);
    float sum = 0;
    for (std::size_t i = prompt.size(); i < whole.size(); ++i) {
      sum += log_prob_at(logits, i - 1, whole[i]);
    }
    scores.push_back(sum);
  }
  return scores;
}

TEST_P(EngineTest, ScoresEqualThoseOfWholeSequencesOneByOne) {
  const auto engine = model_->open_engine(exact());
  std::vector<std::vector<int>> wholes;
  for (const auto& choice : question().choices) wholes.push_back(prompt_tokens(kText + choice));

  const ScoreResult got = engine->score({question()}, {});

  const auto prompt = prompt_tokens(kText);
  EXPECT_THAT(sums(got), Pointwise(FloatNear(1e-3f), slow_scores(*engine, prompt, wholes)));
  for (std::size_t i = 0; i < wholes.size(); ++i) {
    EXPECT_EQ(got.choices[i].tokens, static_cast<int>(wholes[i].size() - prompt.size()));
  }
  EXPECT_EQ(got.prompt_tokens, prompt.size());
}

TEST_P(EngineTest, ChoicesThatJoinTheLastTokenOfThePromptAreScoredFromWhereTheyDiffer) {
  // "xa" is [x, a], but "xan" is [x, an] and "xand" [x, and].
  const RenderedPrompt prompt{.text = kText + " xa", .choices = {"n", "nd it", "b", " b"}};
  const auto alone = prompt_tokens(prompt.text);
  const auto engine = model_->open_engine(exact());
  std::vector<float> want;
  for (const auto& choice : prompt.choices) {
    const auto whole = prompt_tokens(prompt.text + choice);
    const auto common = std::mismatch(alone.begin(), alone.end(), whole.begin()).first;
    want.push_back(slow_scores(*engine, {alone.begin(), common}, {whole}).front());
  }

  const ScoreResult got = engine->score({prompt, /*embed=*/true}, {2, Pooling::Last});

  EXPECT_THAT(sums(got), Pointwise(FloatNear(1e-3f), want));
  EXPECT_EQ(got.prompt_tokens, alone.size() - 1);
  const std::vector<RenderedPrompt> prompts = {prompt};
  EXPECT_THAT(got.hidden,
              Pointwise(FloatNear(1e-5f), engine->embed(prompts, {2, Pooling::Last}).data));
}

TEST_P(EngineTest, ScoresAreTheSameInSmallBatchesAndSeveralRounds) {
  const auto whole = model_->open_engine(exact())->score({question()}, {});
  const auto pieces = model_->open_engine(exact(/*batch_tokens=*/5, /*max_choices=*/2));
  EXPECT_THAT(sums(pieces->score({question()}, {})), Pointwise(FloatNear(1e-3f), sums(whole)));
  EXPECT_THAT(sums(pieces->score({question()}, {})), Pointwise(FloatNear(1e-3f), sums(whole)));
}

TEST_P(EngineTest, ScoresHundredsOfChoicesInRounds) {
  RenderedPrompt prompt{.text = kText, .choices = {}};
  for (int i = 0; i < 150; ++i)
    prompt.choices.push_back(std::string(" choice ").append(std::to_string(i)));
  const auto engine = model_->open_engine(exact());

  const auto many = sums(engine->score({prompt}, {}));

  prompt.choices = {" choice 7", " choice 149"};
  const auto few = sums(engine->score({prompt}, {}));
  EXPECT_NEAR(many[7], few[0], 1e-3);
  EXPECT_NEAR(many[149], few[1], 1e-3);
}

TEST_P(EngineTest, AdaptersWithWeightsEqualAModelWithTheirSumInItsWeights) {
  const Adapter x = random_model_adapter(options_, 1, 2, 1);
  const Adapter y = random_model_adapter(options_, 0, 3, 2);
  const std::vector<BlendPart> parts = {{x, 0.75f}, {y, -0.5f}};
  write_random_model(file("merged.gguf"), options_, parts);
  const auto merged = open_model(file("merged.gguf"), {.with_hash = false});
  const auto want = merged->open_engine(exact())->logits(prompt_tokens(kText));

  const auto engine = model_->open_engine(exact());
  const auto base = engine->logits(prompt_tokens(kText));
  engine->set_adapters(parts);
  EXPECT_THAT(engine->logits(prompt_tokens(kText)).data, Pointwise(FloatNear(2e-3f), want.data));

  engine->set_adapters({});
  EXPECT_THAT(engine->logits(prompt_tokens(kText)).data, Pointwise(FloatNear(1e-5f), base.data));
}

TEST_P(EngineTest, AdapterFilesEqualTheBlendThatTheyWereWrittenFrom) {
  const Adapter x = random_model_adapter(options_, 1, 2, 1);
  const Adapter y = random_model_adapter(options_, 1, 2, 2);
  const std::vector<BlendPart> parts = {{x, 0.4f}, {y, 0.6f}};
  const auto bytes = adapter_to_gguf(
      blend(parts).adapter,
      {.architecture = GetParam(), .name = "sum", .type = TensorType::F32, .metadata = {}});
  write_atomically(file("sum.gguf"), bytes);
  const auto engine = model_->open_engine(exact());
  engine->set_adapters(parts);
  const auto want = engine->logits(prompt_tokens(kText)).data;

  engine->set_adapters({});
  engine->set_adapter_file(file("sum.gguf"));

  EXPECT_THAT(engine->logits(prompt_tokens(kText)).data, Pointwise(FloatNear(1e-3f), want));
}

/// The engine fills ranks up for llama.cpp's kernels; scales that are no power of two must not
/// be rounded into halves on the way.
TEST_P(EngineTest, FilesOfAnyRankTypeAndScaleActAsTheirNumbersDo) {
  for (const std::size_t rank : {2, 16, 20}) {
    for (const TensorType type : {TensorType::F32, TensorType::F16, TensorType::BF16}) {
      const AdapterFileOptions options{
          .architecture = GetParam(), .name = "file", .type = type, .metadata = {}};
      auto bytes = adapter_to_gguf(random_model_adapter(options_, 1, rank, 5), options);
      const float alpha = static_cast<float>(rank);
      const float other = 0.7f * alpha;
      const std::string key = "adapter.lora.alpha";
      auto at = std::ranges::search(bytes, std::as_bytes(std::span(key))).end();
      at += 4;  // behind the type of the value
      ASSERT_EQ(std::memcmp(&*at, &alpha, sizeof alpha), 0);
      std::memcpy(&*at, &other, sizeof other);
      const Adapter numbers = adapter_from_gguf(Gguf::parse(bytes, "file"));
      ASSERT_FLOAT_EQ(numbers.tensors[0].scale, 0.7f);

      const auto engine = model_->open_engine(exact());
      const BlendPart part{numbers, 1.0f};
      engine->set_adapters({&part, 1});
      const auto want = engine->logits(prompt_tokens(kText)).data;
      engine->set_adapter_bytes(bytes, "file");
      const bool as_it_is = rank <= 16 && type != TensorType::F32;  // halves the activations too
      EXPECT_THAT(engine->logits(prompt_tokens(kText)).data,
                  Pointwise(FloatNear(as_it_is ? 5e-2f : 1e-3f), want))
          << rank << " " << to_string(type);
    }
  }
}

TEST_P(EngineTest, AnAdapterOfAnotherShapeIsRefusedAndTheOldOneStays) {
  const auto engine = model_->open_engine(exact());
  const Adapter good = random_model_adapter(options_, 1, 2, 1);
  const BlendPart good_part{good, 1.0f};
  engine->set_adapters({&good_part, 1});
  const auto want = engine->logits(prompt_tokens(kText)).data;
  const Adapter bad = random_adapter({.d_out = 4, .d_in = 4});
  const BlendPart bad_part{bad, 1.0f};

  EXPECT_THAT(
      [&] {
        engine->set_adapters({&bad_part, 1});
      },
      Throws<Error>(AllOf(Property(&Error::code, ErrorCode::Incompatible),
                          Property(&Error::what, HasSubstr("blk.0.attn_q.weight")))));
  EXPECT_THAT(engine->logits(prompt_tokens(kText)).data, Pointwise(FloatNear(1e-5f), want));
}

TEST_P(EngineTest, NumbersThatAreNotFiniteAreNoAnswer) {
  Adapter huge = random_model_adapter(options_, 0, 2, 1);
  for (auto& tensor : huge.tensors) std::fill(tensor.b.data.begin(), tensor.b.data.end(), 1e30f);
  const BlendPart part{huge, 1.0f};
  const auto engine = model_->open_engine(exact());
  engine->set_adapters({&part, 1});
  const auto names_both =
      Throws<Error>(AllOf(Property(&Error::code, ErrorCode::CorruptFile),
                          Property(&Error::what, HasSubstr("tiny.gguf with the blended adapter"))));
  EXPECT_THAT([&] { (void)engine->score({question()}, {}); }, names_both);
  EXPECT_THAT([&] { (void)engine->generate(kText, {.max_tokens = 3}); }, names_both);
  EXPECT_THAT(
      [&] { (void)engine->generate(kText, {.max_tokens = 3, .temperature = 1, .top_p = 0.9f}); },
      names_both);
  engine->set_adapters({});
  EXPECT_NO_THROW((void)engine->score({question()}, {}));
}

TEST_P(EngineTest, WrongRequestsNameWhatIsWrong) {
  const auto engine = model_->open_engine(exact());
  const std::vector<RenderedPrompt> prompts = {question()};
  EXPECT_THAT(
      [&] {
        (void)engine->embed(prompts, {4, Pooling::Mean});
      },
      Throws<Error>(AllOf(Property(&Error::code, ErrorCode::InvalidArgument),
                          Property(&Error::what, HasSubstr("layers 0 to 3")))));
  EXPECT_THAT([&] { (void)engine->score({{.text = kText, .choices = {}}}, {}); },
              Throws<Error>(Property(&Error::code, ErrorCode::InvalidArgument)));
  const std::vector<int> outside = {1, 320};
  EXPECT_THAT([&] { (void)engine->logits(outside); },
              Throws<Error>(Property(&Error::what, HasSubstr("320"))));
  EXPECT_THAT([&] { (void)model_->open_engine({.max_choices = 256}); },
              Throws<Error>(Property(&Error::what, HasSubstr("max_choices is 256"))));
  EXPECT_THAT([&] { (void)engine->generate("a", {.temperature = -1}); },
              Throws<Error>(Property(&Error::what, HasSubstr("temperature is -1"))));
}

}  // namespace
}  // namespace crayon
