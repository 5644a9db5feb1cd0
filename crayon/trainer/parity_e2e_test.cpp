// The trainer's arithmetic (f32) beside inference's (Q4_1 in llama.cpp) on SmolLM2-135M.
#include <gtest/gtest.h>
#include <torch/types.h>

#include <fstream>
#include <sstream>

#include "crayon/adapter/blend.h"
#include "crayon/base/random.h"
#include "crayon/models/models.h"
#include "crayon/trainer/internal/network.h"

namespace crayon {
namespace {

using torch::Tensor;

constexpr std::size_t kWindow = 256, kTokens = 2048;

struct Agreement {
  double top1 = 0;  ///< Share of positions with the same most likely token.
  double kl = 0;    ///< Mean KL(p || q), nats.
};

Tensor log_probs(const Matrix& logits) {
  return torch::tensor(at::ArrayRef<float>(logits.data))
      .view({static_cast<std::int64_t>(logits.rows), static_cast<std::int64_t>(logits.cols)})
      .log_softmax(1);
}

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
    std::ifstream file(CRAYON_SOURCE_DIR "/LICENSE");
    std::stringstream text;
    text << file.rdbuf();
    tokens_ = model_->tokenize(text.str(), false);
    ASSERT_GE(tokens_.size(), kTokens);
  }

  [[nodiscard]] std::vector<std::span<const int>> windows() const {
    std::vector<std::span<const int>> all;
    for (std::size_t at = 0; at < kTokens; at += kWindow) {
      all.push_back(std::span(tokens_).subspan(at, kWindow));
    }
    return all;
  }

  std::shared_ptr<Model> model_;
  std::vector<int> tokens_;
};

TEST_F(SmolLm2, TheNetworkAgreesWithTheEngine) {
  const Network network(*model_);
  const auto engine = model_->open_engine({.threads = 1, .context_tokens = kWindow});
  Agreement agreement;
  for (const auto window : windows()) {
    add(agreement, log_probs(engine->logits(window)), network.logits(window).log_softmax(1));
  }
  RecordProperty("top1", std::to_string(agreement.top1));
  RecordProperty("kl", std::to_string(agreement.kl));

  EXPECT_GE(agreement.top1, 0.95);
  EXPECT_LE(agreement.kl, 0.02);
}

TEST_F(SmolLm2, TheExactBlendAgreesWithTheSumAtRunTime) {
  const NetworkConfig config = network_config(*model_);
  const WideLora lora(config, {.n_adapters = 3, .rank = 4, .first_layer = 15, .scale = 2});
  const torch::NoGradGuard no_grad;
  torch::manual_seed(1);
  for (const auto& parameter : lora.parameters()) {
    if (parameter.name.ends_with(".b")) parameter.tensor.normal_(0, 0.06);
  }
  std::vector<Adapter> adapters;
  for (int i = 0; i < 3; ++i) adapters.push_back(lora.export_adapter(i, model_->base().id()));
  const BlendPart parts[] = {{adapters[0], 0.6f}, {adapters[1], 0.3f}, {adapters[2], 0.1f}};
  const Adapter blended = blend(parts).adapter;
  const BlendPart whole[] = {{blended, 1.0f}};
  const auto engine = model_->open_engine({.threads = 1, .context_tokens = kWindow});
  Agreement same, changed;
  for (const auto window : windows()) {
    engine->set_adapters({});
    const Tensor base = log_probs(engine->logits(window));
    engine->set_adapters(parts);
    const Tensor sum = log_probs(engine->logits(window));
    engine->set_adapters(whole);
    add(same, sum, log_probs(engine->logits(window)));
    add(changed, base, sum);
  }
  RecordProperty("kl_blend", std::to_string(same.kl));
  RecordProperty("kl_adapter", std::to_string(changed.kl));

  EXPECT_LE(same.kl, 1e-3);
  EXPECT_GT(changed.kl, 0.01) << "the adapters should change the model";
}

}  // namespace
}  // namespace crayon
