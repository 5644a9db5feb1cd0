// Hidden states on tiny random models, against those computed another way.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "crayon/engine/internal/tiny_model_test.h"

namespace crayon {
namespace {

using ::testing::AllOf;
using ::testing::FloatNear;
using ::testing::HasSubstr;
using ::testing::Pointwise;
using ::testing::Property;
using ::testing::Throws;

class Embed : public TinyModel {};
CRAYON_EACH_ARCHITECTURE(Embed);

TEST_P(Embed, HiddenStatesDoNotDependOnHowTheTokensAreBatched) {
  const std::vector<RenderedPrompt> prompts = {question(), {.text = "An", .choices = {}}};
  for (const auto pooling : {Pooling::Mean, Pooling::Last}) {
    for (const int layer : {0, 1, 2, 3}) {
      const EmbeddingSpec spec{layer, pooling};
      const Matrix whole = model_->open_engine(exact())->embed(prompts, spec);
      const Matrix pieces = model_->open_engine(exact(7))->embed(prompts, spec);
      EXPECT_THAT(pieces.data, Pointwise(FloatNear(1e-4f), whole.data)) << layer;
    }
  }
}

TEST_P(Embed, SeveralLayersOfOnePassAreThoseOfAPassForEach) {
  const auto engine = model_->open_engine(exact());
  const std::vector<RenderedPrompt> prompts = {question(), {.text = "An", .choices = {}}};
  for (const auto pooling : {Pooling::Mean, Pooling::Last}) {
    for (const auto& layers : std::vector<std::vector<int>>{{0, 1, 2, 3}, {1, 3}, {2}}) {
      std::size_t done = 0;
      const auto got = engine->embed_layers(prompts, layers, pooling, [&](std::size_t) { ++done; });
      EXPECT_EQ(done, prompts.size());
      ASSERT_EQ(got.size(), layers.size());
      for (std::size_t i = 0; i < layers.size(); ++i) {
        EXPECT_THAT(got[i].data,
                    Pointwise(FloatNear(1e-5f), engine->embed(prompts, {layers[i], pooling}).data))
            << layers[i];
      }
    }
  }
  const auto refused = Throws<Error>(AllOf(Property(&Error::code, ErrorCode::InvalidArgument),
                                           Property(&Error::what, HasSubstr("ascending"))));
  EXPECT_THAT([&] { (void)engine->embed_layers(prompts, std::vector<int>{2, 2}, {}); }, refused);
  EXPECT_THAT([&] { (void)engine->embed_layers(prompts, {}, {}); }, refused);
}

TEST_P(Embed, LayerZeroIsTheTokenEmbeddings) {
  const auto tokens = prompt_tokens(kText);
  const FloatTensor table = model_->tensor("token_embd.weight");
  const std::size_t d = table.shape[1];
  std::vector<float> mean(d);
  for (std::size_t i = 1; i < tokens.size(); ++i) {
    for (std::size_t j = 0; j < d; ++j) {
      mean[j] += table.data[static_cast<std::size_t>(tokens[i]) * d + j] /
                 static_cast<float>(tokens.size() - 1);
    }
  }
  const std::vector<RenderedPrompt> prompts = {question()};
  const auto engine = model_->open_engine(exact());
  EXPECT_THAT(engine->embed(prompts, {0, Pooling::Mean}).data, Pointwise(FloatNear(1e-5f), mean));
}

TEST_P(Embed, LastLayerOfTheLastTokenGivesTheLogits) {
  const auto engine = model_->open_engine(exact());
  const std::vector<RenderedPrompt> prompts = {question()};
  const auto tokens = prompt_tokens(kText);
  const auto h = engine->embed(prompts, {options_.n_layers, Pooling::Last}).data;
  const auto norm = model_->tensor("output_norm.weight").data;
  const auto output = model_->tensor(options_.tied ? "token_embd.weight" : "output.weight").data;

  double square = 0;
  for (const float x : h) square += static_cast<double>(x) * x;
  const double scale = 1 / std::sqrt(square / static_cast<double>(h.size()) + 1e-5);
  std::vector<float> logits(static_cast<std::size_t>(options_.n_vocab));
  for (std::size_t v = 0; v < logits.size(); ++v) {
    double sum = 0;
    for (std::size_t i = 0; i < h.size(); ++i) sum += output[v * h.size() + i] * h[i] * norm[i];
    logits[v] = static_cast<float>(sum * scale);
  }

  const Matrix got = engine->logits(tokens);
  EXPECT_THAT(got.row(tokens.size() - 1), Pointwise(FloatNear(1e-3f), logits));
}

TEST_P(Embed, PassEndedAtTheTrunkGivesTheStatesOfAFullPass) {
  const auto engine = model_->open_engine(exact());
  const std::vector<RenderedPrompt> prompts = {question()};
  for (const auto pooling : {Pooling::Mean, Pooling::Last}) {
    for (const int layer : {0, 2, 3}) {
      const EmbeddingSpec spec{layer, pooling};
      const auto trunk = engine->embed(prompts, spec).data;
      const auto full = engine->score({question(), /*embed=*/true}, spec).hidden;
      EXPECT_THAT(full, Pointwise(FloatNear(1e-5f), trunk)) << layer;
    }
  }
}

TEST_P(Embed, HiddenStatesAreOfTheBaseWhateverAdapterIsSet) {
  const auto engine = model_->open_engine(exact());
  const std::vector<RenderedPrompt> prompts = {question()};
  for (const int first : {0, 2}) {
    const EmbeddingSpec spec{2, Pooling::Mean};
    engine->set_adapters({});
    const auto base = engine->embed(prompts, spec).data;
    const auto base_scores = sums(engine->score({question()}, spec));
    const Adapter adapter = random_model_adapter(options_, first, 2, 5);
    const BlendPart part{adapter, 1.0f};
    engine->set_adapters({&part, 1});
    const auto before = sums(engine->score({question()}, spec));

    EXPECT_THAT(engine->embed(prompts, spec).data, Pointwise(FloatNear(1e-5f), base));
    EXPECT_THAT(engine->score({question(), true}, spec).hidden, Pointwise(FloatNear(1e-5f), base));

    EXPECT_THAT(sums(engine->score({question()}, spec)), Pointwise(FloatNear(1e-4f), before));
    EXPECT_GT(std::abs(before[0] - base_scores[0]), 0.01);
  }
}

}  // namespace
}  // namespace crayon
