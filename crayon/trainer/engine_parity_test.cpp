// The network and llama.cpp compute the same thing on tiny random F32 models of both architectures.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include <cmath>

#include "crayon/testing/random.h"
#include "crayon/trainer/internal/network.h"

namespace crayon {
namespace {

class EngineParity : public ::testing::TestWithParam<const char*> {
 protected:
  EngineParity() {
    options_.architecture = GetParam();
    options_.tied = options_.architecture == "qwen2";
    const auto file = folder_.path() / "tiny.gguf";
    write_random_model(file, options_);
    model_ = open_model(file);
    engine_ = model_->open_engine({.threads = 1, .context_tokens = 128, .exact = true});
    for (int i = 0; i < 40; ++i) tokens_.push_back((i * 37 + 11) % 256);
  }

  /// Largest difference between the engine's logits and the network's.
  double difference(const Network& network, const Adapters* adapters) {
    const Matrix want = engine_->logits(tokens_);
    const torch::Tensor got = network.logits(tokens_, adapters).contiguous();
    EXPECT_EQ(got.numel(), static_cast<std::int64_t>(want.data.size()));
    double largest = 0;
    for (std::size_t i = 0; i < want.data.size(); ++i) {
      largest = std::max(largest, std::fabs(static_cast<double>(got.data_ptr<float>()[i]) -
                                            static_cast<double>(want.data[i])));
    }
    return largest;
  }

  TemporaryFolder folder_;
  RandomModelOptions options_;
  std::shared_ptr<Model> model_;
  std::unique_ptr<Engine> engine_;
  std::vector<int> tokens_;
};
INSTANTIATE_TEST_SUITE_P(Architectures, EngineParity, ::testing::Values("llama", "qwen2"));

TEST_P(EngineParity, LogitsOfTheBaseAreTheSame) {
  const Network network(*model_);
  EXPECT_LT(difference(network, nullptr), 1e-3);
}

TEST_P(EngineParity, LogitsWithWeightedAdaptersAreTheSame) {
  const Network network(*model_);
  const double without = difference(network, nullptr);
  std::vector<Adapter> adapters;
  for (const std::uint64_t seed : {5u, 6u, 7u}) {
    adapters.push_back(random_model_adapter(options_, 1, seed - 4, seed));
    adapters.back().base_id = model_->base().id();
  }
  const BlendPart parts[] = {{adapters[0], 0.5f}, {adapters[1], -0.25f}, {adapters[2], 1.0f}};
  engine_->set_adapters(parts);
  const WideLora lora(network.config(), adapters);
  const torch::Tensor weights = torch::tensor({0.5f, -0.25f, 1.0f});
  const Adapters set{lora, weights};

  EXPECT_LT(difference(network, &set), 1e-3);
  EXPECT_GT(difference(network, nullptr), 100 * without);
}

TEST_P(EngineParity, ScoresOfChoicesAreTheSame) {
  const Network network(*model_);
  const RenderedPrompt prompt{.text = "Which one is red?",
                              .choices = {" a rose", " a rosebush", " the sea", " x"}};
  const ScoreResult want = engine_->score({.prompt = prompt}, {});
  const TokenizedChoices tokens = tokenize_choices(prompt, prompt_tokenizer(*model_), 128);
  const TreeItem items[] = {{tokens, std::nullopt}};
  const TreeBatch batch = collate(items);
  const torch::Tensor scores =
      network.choice_scores(network.crown(network.trunk(batch, 1), batch, 1), batch);

  for (std::size_t c = 0; c < prompt.choices.size(); ++c) {
    EXPECT_NEAR(scores[0][static_cast<std::int64_t>(c)].item<double>(),
                want.choices[c].mean_log_prob(), 1e-3)
        << prompt.choices[c];
  }
}

}  // namespace
}  // namespace crayon
