#include "crayon/trainer/internal/network.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/cuda.h>
#include <torch/types.h>
#include <torch/utils.h>

#include <functional>
#include <limits>

#include "crayon/adapter/blend.h"
#include "crayon/trainer/internal/losses.h"
#include "crayon/trainer/memory_model_test.h"

namespace crayon {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Property;
using ::testing::Throws;
using torch::Tensor;

// The choices share a first token, one is the beginning of another, and one starts in the prompt.
TokenizedChoices first_item() {
  return {.prefix = {1, 5, 9, 3},
          .branches = {{4, 8, 2}, {4, 8}, {4, 7}, {6}},
          .unscored = {0, 0, 1, 0}};
}
TokenizedChoices second_item() {
  return {.prefix = {2, 11}, .branches = {{12, 13, 14}, {15, 13}}, .unscored = {0, 0}};
}

TreeBatch two_items() {
  const TokenizedChoices first = first_item(), second = second_item();
  const TreeItem items[] = {{first, 2}, {second, 0}};
  return collate(items);
}

// Random A and B, so that all gradients flow.
WideLora random_lora(const NetworkConfig& config, int first_layer,
                     torch::Device device = torch::kCPU) {
  WideLora lora(config, {.n_adapters = 3, .rank = 2, .first_layer = first_layer, .scale = 1.5f},
                device);
  const torch::NoGradGuard no_grad;
  Rng rng(3);
  for (const auto& parameter : lora.parameters()) {
    Tensor flat = parameter.tensor.view({-1});
    for (std::int64_t i = 0; i < flat.numel(); ++i) {
      flat[i] = static_cast<float>(0.3 * rng.normal());
    }
  }
  return lora;
}

double largest_difference(const Tensor& x, const Tensor& y) {
  return (x - y).abs().max().item<double>();
}

// The oracle runs each choice as a plain sequence.
double plain_score(const Network& network, const TokenizedChoices& item, std::size_t choice,
                   const Adapters& adapters) {
  std::vector<int> tokens = item.prefix;
  const auto& branch = item.branches[choice];
  tokens.insert(tokens.end(), branch.begin(), branch.end());
  const Tensor log_probs = torch::log_softmax(network.logits(tokens, &adapters), 1);
  double sum = 0;
  for (std::size_t j = item.unscored[choice]; j < branch.size(); ++j) {
    const auto row = static_cast<std::int64_t>(item.prefix.size() + j) - 1;
    sum += log_probs[row][branch[j]].item<double>();
  }
  return sum / static_cast<double>(branch.size() - item.unscored[choice]);
}

class NetworkOf : public ::testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Architectures, NetworkOf, ::testing::Values("llama", "qwen2"));

TEST_P(NetworkOf, TreeScoresEqualOneSequenceForEachChoice) {
  const Network network{MemoryModel(GetParam(), false)};
  const WideLora lora = random_lora(network.config(), 1);
  const Tensor weights = torch::tensor({0.2f, 0.5f, 0.3f});
  const Adapters adapters{lora, weights};
  const TreeBatch batch = two_items();

  const Tensor scores =
      network.choice_scores(network.crown(network.trunk(batch, 1), batch, 1, &adapters), batch);

  const TokenizedChoices items[] = {first_item(), second_item()};
  for (std::size_t i = 0; i < 2; ++i) {
    for (std::size_t c = 0; c < items[i].branches.size(); ++c) {
      const auto row = static_cast<std::int64_t>(i), column = static_cast<std::int64_t>(c);
      EXPECT_NEAR(scores[row][column].item<double>(), plain_score(network, items[i], c, adapters),
                  1e-4);
    }
  }
  EXPECT_EQ(scores[1][2].item<float>(), -std::numeric_limits<float>::infinity());
}

TEST_P(NetworkOf, GradientsEqualFiniteDifferences) {
  const Network network{MemoryModel(GetParam())};
  const WideLora lora = random_lora(network.config(), 1);
  Tensor weights = torch::tensor({0.2f, 0.5f, 0.3f}).requires_grad_(true);
  const TreeBatch batch = two_items();
  const Tensor hidden = network.trunk(batch, 1);
  const auto loss = [&] {
    const Adapters adapters{lora, weights};
    const Tensor scores = network.choice_scores(network.crown(hidden, batch, 1, &adapters), batch);
    return listwise_loss(scores, batch.answers, 2.0) + 0.5 * answer_loss(scores, batch.answers);
  };
  loss().backward();

  std::vector<TrainedTensor> leaves = lora.parameters();
  leaves.push_back({"weights", weights});
  for (const auto& leaf : leaves) {
    // Along the gradient itself the change is largest, so that f32 can tell it from rounding.
    const Tensor gradient = leaf.tensor.grad().clone();
    const double norm = gradient.norm().item<double>();
    ASSERT_GT(norm, 1e-4) << leaf.name;
    const double step = 1e-2;
    const auto moved = [&](double by) {
      const torch::NoGradGuard no_grad;
      const Tensor before = leaf.tensor.detach().clone();
      leaf.tensor.detach().add_(gradient, by / norm);
      const double value = loss().item<double>();
      leaf.tensor.detach().copy_(before);
      return value;
    };
    const double slope = (moved(step) - moved(-step)) / (2 * step);
    EXPECT_NEAR(slope, norm, 0.02 * norm + 1e-4) << leaf.name;
  }
}

TEST_P(NetworkOf, ExportedAdaptersSummedEqualTheWideLora) {
  const Network network{MemoryModel(GetParam())};
  const WideLora lora = random_lora(network.config(), 1);
  const Tensor weights = torch::tensor({0.2f, -0.5f, 1.3f});
  std::vector<Adapter> parts;
  for (int i = 0; i < 3; ++i) parts.push_back(lora.export_adapter(i, "memory"));
  for (const auto& part : parts) EXPECT_NO_THROW(check_adapter(part));
  const BlendPart shares[] = {{parts[0], 0.2f}, {parts[1], -0.5f}, {parts[2], 1.3f}};
  const Adapter blended = blend(shares).adapter;

  const WideLora whole(network.config(), {&blended, 1});
  const Tensor one = torch::ones({1});
  const WideLora again(network.config(), parts);
  const int tokens[] = {1, 4, 9, 16, 25, 7};
  const Adapters original{lora, weights}, from_blend{whole, one}, from_parts{again, weights};
  const Tensor want = network.logits(tokens, &original);

  EXPECT_GT(largest_difference(want, network.logits(tokens)), 0.1);
  EXPECT_LT(largest_difference(want, network.logits(tokens, &from_blend)), 1e-4);
  EXPECT_LT(largest_difference(want, network.logits(tokens, &from_parts)), 1e-4);
}

TEST_P(NetworkOf, Bf16GivesNearlyTheLossesAndGradientsOfF32) {
  const MemoryModel model(GetParam());
  const TreeBatch batch = two_items();
  const Tensor weights = torch::tensor({0.2f, 0.5f, 0.3f});
  double losses[2];
  Tensor gradients[2];
  for (const NumberType type : {NumberType::F32, NumberType::Bf16}) {
    const Network network(model, {.type = type});
    const WideLora lora = random_lora(network.config(), 1);
    const Adapters adapters{lora, weights};
    const Tensor scores =
        network.choice_scores(network.crown(network.trunk(batch, 1), batch, 1, &adapters), batch);
    const Tensor loss = listwise_loss(scores, batch.answers);
    loss.backward();
    const int at = type == NumberType::F32 ? 0 : 1;
    losses[at] = loss.item<double>();
    gradients[at] = lora.parameters()[0].tensor.grad();
    EXPECT_EQ(gradients[at].scalar_type(), torch::kFloat);
  }
  EXPECT_NEAR(losses[0], losses[1], 0.05);
  EXPECT_LT((gradients[0] - gradients[1]).norm().item<double>(),
            0.1 * gradients[0].norm().item<double>());
}

TEST_P(NetworkOf, AGpuGivesTheScoresAndGradientsOfTheProcessor) {
  if (!torch::cuda::is_available()) GTEST_SKIP() << "no GPU, or a libtorch without CUDA";
  const MemoryModel model(GetParam());
  std::vector<Tensor> results[2];
  for (const torch::Device device : {torch::Device(torch::kCPU), torch::Device(torch::kCUDA)}) {
    const Network network(model, {.type = NumberType::F32, .device = device});
    const WideLora lora = random_lora(network.config(), 1, device);
    const Tensor weights = torch::tensor({0.2f, 0.5f, 0.3f}).to(device).requires_grad_(true);
    const Adapters adapters{lora, weights};
    const TokenizedChoices first = first_item(), second = second_item();
    const TreeItem items[] = {{first, 2}, {second, 0}};
    const TreeBatch batch = collate(items, device);
    const Tensor scores =
        network.choice_scores(network.crown(network.trunk(batch, 1), batch, 1, &adapters), batch);
    listwise_loss(scores, batch.answers).backward();
    auto& found = results[device.is_cpu() ? 0 : 1];
    found.push_back(scores.detach().nan_to_num().to(torch::kCPU));
    found.push_back(weights.grad().to(torch::kCPU));
    for (const auto& leaf : lora.parameters()) found.push_back(leaf.tensor.grad().to(torch::kCPU));
  }
  for (std::size_t i = 0; i < results[0].size(); ++i) {
    EXPECT_TRUE(results[0][i].allclose(results[1][i], 1e-3, 1e-5)) << i;
  }
}

TEST(Network, AnItemDoesNotDependOnItsNeighboursSoTrunksCanBeJoined) {
  const Network network{MemoryModel("llama")};
  const TokenizedChoices first = first_item(), second = second_item();
  const TreeItem one[] = {{first, 0}}, other[] = {{second, 1}};
  const Tensor joined =
      at::cat({network.trunk(collate(one), 2), network.trunk(collate(other), 2)}, 0);

  EXPECT_LT(largest_difference(network.trunk(two_items(), 2), joined), 1e-5);
}

TEST(Network, AFreshLoraChangesNothing) {
  const Network network{MemoryModel("llama")};
  const WideLora lora(network.config(), {.n_adapters = 2, .rank = 3, .first_layer = 1});
  const Tensor weights = torch::tensor({0.5f, 0.5f});
  const Adapters adapters{lora, weights};
  const int tokens[] = {1, 4, 9};

  EXPECT_LT(largest_difference(network.logits(tokens, &adapters), network.logits(tokens)), 1e-6);
  EXPECT_GT(lora.parameters()[0].tensor.std().item<double>(), 0.05);
}

TEST(Network, RefusesAnArchitectureItDoesNotKnowAndScaledRope) {
  EXPECT_THAT([] { (void)network_config(MemoryModel("mamba")); },
              Throws<Error>(AllOf(Property(&Error::code, ErrorCode::Unsupported),
                                  Property(&Error::what, HasSubstr("'mamba'")))));
  MemoryModel scaled("llama");
  scaled.set_hyperparameter("llama.rope.scaling.factor", 4.0);
  EXPECT_THAT([&] { (void)network_config(scaled); },
              Throws<Error>(AllOf(Property(&Error::code, ErrorCode::Unsupported),
                                  Property(&Error::what, HasSubstr("rope.scaling.factor is 4")))));
}

TEST(WideLora, RefusesAnAdapterOfAnotherShapeAndNamesBoth) {
  const NetworkConfig config = network_config(MemoryModel("llama"));
  Adapter adapter{"other", {{"blk.1.attn_k.weight", Matrix(2, 16), Matrix(12, 2), 1.0f}}};
  EXPECT_THAT(
      [&] {
        (void)WideLora(config, {&adapter, 1});
      },
      Throws<Error>(AllOf(Property(&Error::code, ErrorCode::Incompatible),
                          Property(&Error::what, HasSubstr("16 to 12")),
                          Property(&Error::what, HasSubstr("16 to 8")))));
  adapter.tensors[0].name = "blk.7.attn_k.weight";
  EXPECT_THAT(
      [&] {
        (void)WideLora(config, {&adapter, 1});
      },
      Throws<Error>(Property(&Error::what, HasSubstr("'blk.7.attn_k.weight'"))));
}

// The oracle forms each delta.
TEST(WideLora, OverlapIsTheMeanSquaredCosineOfTheDeltas) {
  const NetworkConfig config = network_config(MemoryModel("llama"));
  const WideLora lora = random_lora(config, 2);
  std::vector<std::vector<Tensor>> deltas(3);
  for (int i = 0; i < 3; ++i) {
    for (const auto& tensor : lora.export_adapter(i, "memory").tensors) {
      const auto dense = [](const Matrix& m) {
        return torch::tensor(at::ArrayRef<float>(m.data), torch::kDouble)
            .view({static_cast<std::int64_t>(m.rows), static_cast<std::int64_t>(m.cols)});
      };
      deltas[static_cast<std::size_t>(i)].push_back(dense(tensor.b).mm(dense(tensor.a)).view({-1}));
    }
  }
  double sum = 0;
  for (const auto& [i, j] : {std::pair{0, 1}, {0, 2}, {1, 2}}) {
    for (std::size_t m = 0; m < deltas[0].size(); ++m) {
      const Tensor x = deltas[static_cast<std::size_t>(i)][m];
      const Tensor y = deltas[static_cast<std::size_t>(j)][m];
      sum += ((x / x.norm()).dot(y / y.norm())).square().item<double>();
    }
  }
  const double want = sum / (3.0 * static_cast<double>(deltas[0].size()));

  EXPECT_EQ(deltas[0].size(), 7u);
  EXPECT_NEAR(lora.overlap().item<double>(), want, 1e-5);
  const WideLora fresh(config, {.n_adapters = 2, .rank = 2, .first_layer = 2});
  EXPECT_EQ(fresh.overlap().item<float>(), 0.0f);
}

}  // namespace
}  // namespace crayon
