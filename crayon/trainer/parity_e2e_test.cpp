// The trainer's arithmetic (f32) beside inference's (Q4_1 in llama.cpp) on SmolLM2-135M, with and
// without the pool's adapters. The text is prose: the passages of boolq_passage's validation rows
// in the file's order, one after the other. Both sides see the same windows of tokens.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include <cmath>
#include <iostream>

#include "crayon/adapter/blend.h"
#include "crayon/formats/examples.h"
#include "crayon/models/models.h"
#include "crayon/pool/pool.h"
#include "crayon/trainer/internal/matrix_tensor.h"
#include "crayon/trainer/internal/network.h"

namespace crayon {
namespace {

using torch::Tensor;

constexpr std::size_t kWindow = 256, kTokens = 2048;

struct Agreement {
  double top1 = 0;  ///< Share of positions with the same most likely token.
  double kl = 0;    ///< Mean KL(p || q), nats.
};

/// Adds the log-probs of a window to the means.
void add(Agreement& sum, const Tensor& p, const Tensor& q) {
  sum.top1 += p.argmax(1).eq(q.argmax(1)).sum().item<double>() / kTokens;
  sum.kl += (p.exp() * (p - q)).sum().item<double>() / kTokens;
}

class SmolLm2 : public ::testing::Test {
 protected:
  void SetUp() override {
    const ModelEntry& entry = find_model("smollm2-135m-instruct");
    ASSERT_TRUE(is_fetched(entry)) << "the model is not in the cache: crayon models fetch";
    model_ = open_model(model_path(entry), {.with_hash = false});
    engine_ = model_->open_engine({.threads = 1, .context_tokens = kWindow, .exact = true});
    std::string text;
    for (const Example& row :
         read_examples(CRAYON_SOURCE_DIR "/data/boolq_passage/validation.jsonl.gz", 40)) {
      text += row.context + "\n\n";
    }
    tokens_ = model_->tokenize(text, false);
    ASSERT_GE(tokens_.size(), kTokens);
  }

  [[nodiscard]] Agreement engine_and(const Network& network, const Adapters* adapters) {
    Agreement agreement;
    for (std::size_t at = 0; at < kTokens; at += kWindow) {
      const auto window = std::span(tokens_).subspan(at, kWindow);
      add(agreement, to_torch(engine_->logits(window)).log_softmax(1),
          network.logits(window, adapters).log_softmax(1));
    }
    return agreement;
  }

  std::shared_ptr<Model> model_;
  std::unique_ptr<Engine> engine_;
  std::vector<int> tokens_;
};

void expect_parity(const Agreement& agreement) {
  const double error = std::sqrt(agreement.top1 * (1 - agreement.top1) / kTokens);
  const std::string measured = fmt::format("top-1 agreement {:.4f} ± {:.4f}, KL {:.5f}, {} tokens",
                                           agreement.top1, error, agreement.kl, kTokens);
  std::cout << measured << std::endl;
  EXPECT_GE(agreement.top1, 0.95) << measured;
  EXPECT_LE(agreement.kl, 0.02) << measured;
}

TEST_F(SmolLm2, TheNetworkAgreesWithTheEngine) {
  const Network network(*model_);
  expect_parity(engine_and(network, nullptr));
}

TEST_F(SmolLm2, TheNetworkWithAdaptersAgreesWithTheEnginesBlendOfThem) {
  const std::vector<float> weights = {0.45f, -0.2f, 0.3f, 0.05f,  0.15f, 0.1f, 0.12f,
                                      0.03f, 0.25f, 0.4f, -0.15f, 0.2f,  0.8f};
  const Pool pool = Pool::open(CRAYON_SOURCE_DIR "/pools/smollm2-135m");
  ASSERT_NE(pool.shared(), nullptr);
  std::vector<Adapter> all = pool.adapters();
  all.push_back(*pool.shared());
  ASSERT_EQ(all.size(), weights.size());
  std::vector<BlendPart> parts;
  for (std::size_t i = 0; i < weights.size(); ++i) parts.push_back({all[i], weights[i]});
  const Network network(*model_);
  const WideLora lora(network.config(), all);
  const Tensor w = torch::tensor(at::ArrayRef<float>(weights));
  engine_->set_adapters(parts);

  const Adapters adapters{lora, w};
  expect_parity(engine_and(network, &adapters));
  const Agreement without = engine_and(network, nullptr);
  EXPECT_GT(without.kl, 0.1) << "the adapters change too little to compare anything";
}

}  // namespace
}  // namespace crayon
