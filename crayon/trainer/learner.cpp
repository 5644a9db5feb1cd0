#include "crayon/trainer/internal/learner.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <torch/nn/utils/clip_grad.h>
#include <torch/optim/adamw.h>
#include <torch/utils.h>

#include <algorithm>
#include <cmath>
#include <span>

#include "crayon/base/error.h"
#include "crayon/trainer/internal/losses.h"
#include "crayon/trainer/internal/matrix_tensor.h"

namespace crayon {
namespace {

using torch::optim::AdamW;
using torch::optim::AdamWOptions;
using torch::optim::AdamWParamState;

FloatTensor to_floats(const torch::Tensor& tensor) {
  const torch::Tensor flat = tensor.detach().to(torch::kCPU).to(torch::kFloat32).contiguous();
  FloatTensor result;
  for (const auto size : flat.sizes()) result.shape.push_back(static_cast<std::uint64_t>(size));
  const float* data = flat.data_ptr<float>();
  result.data.assign(data, data + flat.numel());
  return result;
}

/// Copies a checkpoint's tensor into `target`.
void from_floats(const std::map<std::string, FloatTensor>& tensors, const std::string& name,
                 torch::Tensor target) {
  const auto found = tensors.find(name);
  const std::vector<std::uint64_t> want(target.sizes().begin(), target.sizes().end());
  if (found == tensors.end() || found->second.shape != want) {
    throw Error(
        ErrorCode::CorruptFile,
        fmt::format("checkpoint: tensor '{}' {}, expected the shape {}; use --restart", name,
                    found == tensors.end() ? std::string("is missing")
                                           : fmt::format("has the shape {}", found->second.shape),
                    want));
  }
  const torch::NoGradGuard no_gradients;
  auto* data = const_cast<float*>(found->second.data.data());  // from_blob only reads it here
  target.copy_(torch::from_blob(data, target.sizes(), torch::kFloat32));
}

WideLoraOptions lora_options(const TrainConfig& config) {
  const auto& pool = config.pool;
  return {.n_adapters = pool.n_adapters,
          .rank = pool.rank,
          .first_layer = pool.first_layer,
          .scale = static_cast<float>(pool.alpha / pool.rank * pool.n_adapters),
          .seed = config.train.seed};
}

AdamW make_optimizer(const TrainLoopConfig& train, const WideLora& lora,
                     const torch::Tensor& keys) {
  std::vector<torch::Tensor> factors;
  for (const auto& parameter : lora.parameters()) factors.push_back(parameter.tensor);
  const auto options = [](double rate, double decay) {
    return std::make_unique<AdamWOptions>(AdamWOptions(rate).weight_decay(decay));
  };
  std::vector<torch::optim::OptimizerParamGroup> groups;
  groups.emplace_back(factors, options(train.learning_rate, train.weight_decay));
  groups.emplace_back(std::vector<torch::Tensor>{keys}, options(train.key_learning_rate, 0));
  return AdamW(groups, AdamWOptions(train.learning_rate));
}

void set_rate(AdamW& optimizer, std::size_t group, double rate) {
  static_cast<AdamWOptions&>(optimizer.param_groups()[group].options()).lr(rate);
}

}  // namespace

bool StepLosses::finite() const { return std::isfinite(total) && std::isfinite(gradient); }

struct Learner::State {
  State(const Network& net, const TrainConfig& c, const Matrix& first_keys, const Matrix& mixture,
        ProcessGroup* workers)
      : network(net),
        config(c),
        group(workers == nullptr ? alone : *workers),
        lora(net.config(), lora_options(c), net.device()),
        keys(to_torch(first_keys, net.device()).requires_grad_()),
        reference(to_torch(mixture, net.device())),
        optimizer(make_optimizer(c.train, lora, keys)) {}

  /// g [n, N] of rows z [n, m].
  [[nodiscard]] torch::Tensor gates(const torch::Tensor& z) const {
    const torch::Tensor unit = keys / keys.norm(2, 1, true);
    return torch::softmax(z.matmul(unit.t()) / config.gate.temperature, 1);
  }
  [[nodiscard]] std::vector<TrainedTensor> parameters() const {
    auto all = lora.parameters();
    all.push_back({"gate.keys", keys});
    return all;
  }
  [[nodiscard]] AdamWParamState* moments(const torch::Tensor& tensor) {
    const auto found = optimizer.state().find(c10::guts::to_string(tensor.unsafeGetTensorImpl()));
    return found == optimizer.state().end() ? nullptr
                                            : static_cast<AdamWParamState*>(found->second.get());
  }

  /// Adds up the workers' gradients, and `numbers` with them.
  void add_up(std::span<double> numbers) {
    if (group.size() == 1) return;
    const torch::NoGradGuard no_gradients;
    std::vector<torch::Tensor> parts;
    for (const auto& [name, tensor] : parameters()) {
      const torch::Tensor& grad = tensor.grad();  // undefined where no own item has reached it
      parts.push_back(grad.defined() ? grad.flatten() : torch::zeros_like(tensor).flatten());
    }
    const std::vector<float> floats(numbers.begin(), numbers.end());
    parts.push_back(torch::tensor(floats).to(network.device()));
    const torch::Tensor flat = torch::cat(parts);
    group.sum(flat);
    std::int64_t at = 0;
    for (auto& [name, tensor] : parameters()) {
      const torch::Tensor sum = flat.narrow(0, at, tensor.numel()).view_as(tensor);
      if (tensor.grad().defined()) {
        tensor.mutable_grad().copy_(sum);
      } else {
        tensor.mutable_grad() = sum.clone();
      }
      at += tensor.numel();
    }
    const torch::Tensor last = flat.narrow(0, at, flat.numel() - at).to(torch::kCPU);
    std::copy_n(last.data_ptr<float>(), numbers.size(), numbers.begin());
  }

  const Network& network;
  const TrainConfig& config;
  ProcessGroup alone;
  ProcessGroup& group;
  WideLora lora;
  torch::Tensor keys;
  torch::Tensor reference;
  AdamW optimizer;
};

Learner::Learner(const Network& network, const TrainConfig& config, const Matrix& keys,
                 const Matrix& reference, ProcessGroup* group)
    : state_(std::make_unique<State>(network, config, keys, reference, group)) {}
Learner::~Learner() = default;
Learner::Learner(Learner&&) noexcept = default;

const WideLora& Learner::lora() const { return state_->lora; }
Matrix Learner::keys() const { return to_matrix(state_->keys); }

torch::Tensor Learner::weights(const Matrix& z, double tilt) const {
  const double n = state_->config.pool.n_adapters;
  const torch::Tensor mean = state_->gates(to_torch(z, state_->network.device())).mean(0);
  return mean * tilt + (1 - tilt) / n;
}

StepLosses Learner::step(const StepBatch& batch) {
  State& s = *state_;
  const TrainLoopConfig& train = s.config.train;
  s.optimizer.zero_grad();
  // From all workers' z: each worker's gradient of w then reaches the keys through every item.
  const torch::Tensor w = weights(batch.z, batch.tilt);
  // Each worker's part of a mean over all items, and of terms that all of them compute.
  const double part = 1.0 / s.group.size();
  const torch::Tensor balance = part * balance_loss(s.gates(s.reference).mean(0));
  const torch::Tensor diversity = part * (key_overlap(s.keys) + s.lora.overlap());
  torch::Tensor choice = torch::zeros_like(balance), answer = torch::zeros_like(balance);
  double tokens = 0;
  if (batch.own != nullptr) {
    const TreeBatch& tree = batch.own->tree;
    const double share = static_cast<double>(tree.items()) / static_cast<double>(batch.z.rows);
    const Adapters adapters{s.lora, w};
    const torch::Tensor final_hidden =
        s.network.crown(batch.own->hidden, tree, s.config.pool.first_layer, &adapters);
    const torch::Tensor scores = s.network.choice_scores(final_hidden, tree);
    choice = share * listwise_loss(scores, tree.answers, train.score_scale);
    answer = share * answer_loss(scores, tree.answers);
    tokens = static_cast<double>(batch.own->hidden.size(0));
  }
  const torch::Tensor total =
      choice + train.answer_weight * answer + train.balance * balance + train.diversity * diversity;
  total.backward();
  double sums[] = {total.item<double>(),   choice.item<double>(),    answer.item<double>(),
                   balance.item<double>(), diversity.item<double>(), tokens};
  s.add_up(sums);
  StepLosses losses{sums[0], sums[1], sums[2], sums[3], sums[4], sums[5], 0};
  std::vector<torch::Tensor> all;
  for (const auto& parameter : s.parameters()) all.push_back(parameter.tensor);
  losses.gradient = torch::nn::utils::clip_grad_norm_(all, train.clip);
  if (!losses.finite()) return losses;
  set_rate(s.optimizer, 0, batch.rate * train.learning_rate);
  set_rate(s.optimizer, 1, batch.rate * train.key_learning_rate);
  s.optimizer.step();
  const torch::NoGradGuard no_gradients;
  s.keys.div_(s.keys.norm(2, 1, true));
  return losses;
}

std::map<std::string, FloatTensor> Learner::tensors() const {
  std::map<std::string, FloatTensor> result;
  for (const auto& [name, tensor] : state_->parameters()) {
    result[name] = to_floats(tensor);
    const AdamWParamState* moments = state_->moments(tensor);
    if (moments == nullptr) continue;
    result["adam.mean." + name] = to_floats(moments->exp_avg());
    result["adam.square." + name] = to_floats(moments->exp_avg_sq());
    result["adam.step." + name] = {{1}, {static_cast<float>(moments->step())}};
  }
  return result;
}

void Learner::load(const std::map<std::string, FloatTensor>& tensors) {
  for (const auto& [name, tensor] : state_->parameters()) {
    from_floats(tensors, name, tensor);
    if (tensors.find("adam.step." + name) == tensors.end()) continue;
    auto moments = std::make_unique<AdamWParamState>();
    const torch::Tensor step = torch::zeros({1});
    from_floats(tensors, "adam.step." + name, step);
    moments->step(static_cast<std::int64_t>(step.item<float>()));
    moments->exp_avg(torch::zeros_like(tensor));
    moments->exp_avg_sq(torch::zeros_like(tensor));
    from_floats(tensors, "adam.mean." + name, moments->exp_avg());
    from_floats(tensors, "adam.square." + name, moments->exp_avg_sq());
    state_->optimizer.state()[c10::guts::to_string(tensor.unsafeGetTensorImpl())] =
        std::move(moments);
  }
}

}  // namespace crayon
