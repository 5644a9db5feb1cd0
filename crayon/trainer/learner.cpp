#include "crayon/trainer/internal/learner.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <torch/nn/utils/clip_grad.h>
#include <torch/optim/adamw.h>
#include <torch/utils.h>

#include <cmath>

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
  State(const Network& net, const TrainConfig& c, const Matrix& first_keys, const Matrix& mixture)
      : network(net),
        config(c),
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

  const Network& network;
  const TrainConfig& config;
  WideLora lora;
  torch::Tensor keys;
  torch::Tensor reference;
  AdamW optimizer;
};

Learner::Learner(const Network& network, const TrainConfig& config, const Matrix& keys,
                 const Matrix& reference)
    : state_(std::make_unique<State>(network, config, keys, reference)) {}
Learner::~Learner() = default;
Learner::Learner(Learner&&) noexcept = default;

const WideLora& Learner::lora() const { return state_->lora; }
Matrix Learner::keys() const { return to_matrix(state_->keys); }

torch::Tensor Learner::weights(const Matrix& z, double tilt) const {
  const double n = state_->config.pool.n_adapters;
  const torch::Tensor mean = state_->gates(to_torch(z, state_->network.device())).mean(0);
  return mean * tilt + (1 - tilt) / n;
}

StepLosses Learner::step(const ItemBatch& batch, const Matrix& z, double tilt, double rate) {
  State& s = *state_;
  const TrainLoopConfig& train = s.config.train;
  s.optimizer.zero_grad();
  const torch::Tensor w = weights(z, tilt);
  const Adapters adapters{s.lora, w};
  const torch::Tensor final_hidden =
      s.network.crown(batch.hidden, batch.tree, s.config.pool.first_layer, &adapters);
  const torch::Tensor scores = s.network.choice_scores(final_hidden, batch.tree);
  const torch::Tensor choice = listwise_loss(scores, batch.tree.answers, train.score_scale);
  const torch::Tensor answer = answer_loss(scores, batch.tree.answers);
  const torch::Tensor balance = balance_loss(s.gates(s.reference).mean(0));
  const torch::Tensor diversity = key_overlap(s.keys) + s.lora.overlap();
  const torch::Tensor total =
      choice + train.answer_weight * answer + train.balance * balance + train.diversity * diversity;
  StepLosses losses{total.item<double>(),   choice.item<double>(),    answer.item<double>(),
                    balance.item<double>(), diversity.item<double>(), 0};
  if (!losses.finite()) return losses;
  total.backward();
  std::vector<torch::Tensor> all;
  for (const auto& parameter : s.parameters()) all.push_back(parameter.tensor);
  losses.gradient = torch::nn::utils::clip_grad_norm_(all, train.clip);
  if (!losses.finite()) return losses;
  set_rate(s.optimizer, 0, rate * train.learning_rate);
  set_rate(s.optimizer, 1, rate * train.key_learning_rate);
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
