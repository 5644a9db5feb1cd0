#include "crayon/trainer/internal/learner.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <torch/nn/utils/clip_grad.h>
#include <torch/optim/adamw.h>
#include <torch/utils.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <span>
#include <sstream>
#include <string>
#include <type_traits>

#include "crayon/base/error.h"
#include "crayon/trainer/internal/losses.h"
#include "crayon/trainer/internal/matrix_tensor.h"

namespace crayon {
namespace {

using torch::optim::AdamW;
using torch::optim::AdamWOptions;
using torch::optim::AdamWParamState;

constexpr double kLeastRest = 1e-6;  // of a gate that gave the dropped adapter nearly all

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
  const auto own = static_cast<float>(pool.alpha / pool.rank);
  const bool shared = pool.shared_rank > 0;
  return {.n_adapters = pool.n_adapters,
          .rank = pool.rank,
          .first_layer = pool.first_layer,
          .scale = shared ? own : own * static_cast<float>(pool.n_adapters),
          .shared_rank = pool.shared_rank,
          .seed = config.train.seed};
}

/// Of a stage's parameters; the keys, which have no decay, are the second group.
AdamW make_optimizer(const TrainLoopConfig& train, const std::vector<TrainedTensor>& parameters,
                     const torch::Tensor& keys) {
  std::vector<torch::Tensor> factors;
  std::vector<torch::Tensor> others;
  for (const auto& parameter : parameters) {
    (parameter.tensor.is_same(keys) ? others : factors).push_back(parameter.tensor);
  }
  const auto options = [](double rate, double decay) {
    return std::make_unique<AdamWOptions>(AdamWOptions(rate).weight_decay(decay));
  };
  std::vector<torch::optim::OptimizerParamGroup> groups;
  groups.emplace_back(factors, options(train.learning_rate, train.weight_decay));
  if (!others.empty()) groups.emplace_back(others, options(train.key_learning_rate, 0));
  return AdamW(groups, AdamWOptions(train.learning_rate));
}

/// What an optimiser's table calls a tensor: its address, as a text in libtorch 1.13.
template <typename Table>
auto state_key(const Table&, const torch::Tensor& tensor) {
  void* const address = tensor.unsafeGetTensorImpl();
  if constexpr (std::is_same_v<typename Table::key_type, std::string>) {
    return (std::ostringstream() << address).str();
  } else {
    return address;
  }
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
        optimizer(make_optimizer(c.train, parameters(Stage::Gated), keys)) {
    if (c.pool.shared_rank == 0) return;
    shared_optimizer.emplace(make_optimizer(c.train, parameters(Stage::Shared), keys));
  }

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
  [[nodiscard]] std::vector<TrainedTensor> parameters(Stage stage) const {
    auto all = parameters();
    std::erase_if(all,
                  [&](const TrainedTensor& one) { return one.shared != (stage == Stage::Shared); });
    return all;
  }
  [[nodiscard]] AdamW& optimizer_of(bool shared) { return shared ? *shared_optimizer : optimizer; }
  [[nodiscard]] AdamWParamState* moments(const TrainedTensor& one) {
    auto& state = optimizer_of(one.shared).state();
    const auto found = state.find(state_key(state, one.tensor));
    return found == state.end() ? nullptr : static_cast<AdamWParamState*>(found->second.get());
  }

  /// Adds up the workers' gradients of a stage, and `numbers` with them.
  void add_up(Stage stage, std::span<double> numbers) {
    if (group.size() == 1) return;
    const torch::NoGradGuard no_gradients;
    const std::vector<TrainedTensor> trained = parameters(stage);
    std::vector<torch::Tensor> parts;
    for (const auto& [name, tensor, shared] : trained) {
      const torch::Tensor& grad = tensor.grad();  // undefined where no own item has reached it
      parts.push_back(grad.defined() ? grad.flatten() : torch::zeros_like(tensor).flatten());
    }
    const std::vector<float> floats(numbers.begin(), numbers.end());
    parts.push_back(torch::tensor(floats).to(network.device()));
    const torch::Tensor flat = torch::cat(parts);
    group.sum(flat);
    std::int64_t at = 0;
    for (const auto& [name, tensor, shared] : trained) {
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
  AdamW optimizer;  ///< Of the gated adapters and the keys.
  std::optional<AdamW> shared_optimizer;
};

Learner::Learner(const Network& network, const TrainConfig& config, const Matrix& keys,
                 const Matrix& reference, ProcessGroup* group)
    : state_(std::make_unique<State>(network, config, keys, reference, group)) {}
Learner::~Learner() = default;
Learner::Learner(Learner&&) noexcept = default;

void Learner::set_shared(const Adapter& adapter) {
  state_->lora.set_shared(state_->network.config(), adapter);
}
const WideLora& Learner::lora() const { return state_->lora; }
Matrix Learner::keys() const { return to_matrix(state_->keys); }

torch::Tensor Learner::weights(const Matrix& z, double tilt, bool drop_nearest) const {
  const TrainPoolConfig& pool = state_->config.pool;
  torch::Tensor mean = state_->gates(to_torch(z, state_->network.device())).mean(0);
  if (drop_nearest) {
    torch::Tensor rest = torch::ones_like(mean);
    rest[mean.argmax()] = 0;
    mean = mean * rest;
    mean = mean / mean.sum().clamp_min(kLeastRest);
  }
  return pool.shared_rank > 0 ? mean * tilt : mean * tilt + (1 - tilt) / pool.n_adapters;
}

StepLosses Learner::step(const StepBatch& batch) {
  State& s = *state_;
  const TrainLoopConfig& train = s.config.train;
  const bool gated = batch.stage == Stage::Gated;
  AdamW& optimizer = s.optimizer_of(!gated);
  optimizer.zero_grad();
  s.lora.freeze_shared(gated);
  // From all workers' z: each worker's gradient of w then reaches the keys through every item.
  const torch::Tensor w =
      gated ? weights(batch.z, batch.tilt, batch.drop_nearest) : torch::Tensor();
  // Each worker's part of a mean over all items, and of terms that all of them compute.
  const double part = 1.0 / s.group.size();
  const torch::Tensor zero = torch::zeros({}, s.keys.options().requires_grad(false));
  const torch::Tensor balance = gated ? part * balance_loss(s.gates(s.reference).mean(0)) : zero;
  const torch::Tensor diversity = gated ? part * (key_overlap(s.keys) + s.lora.overlap()) : zero;
  torch::Tensor choice = zero, answer = zero;
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
  const torch::Tensor total = train.choice_weight * choice + train.answer_weight * answer +
                              train.balance * balance + train.diversity * diversity;
  if (total.requires_grad()) total.backward();  // a worker may have no item of the shared stage
  double sums[] = {total.item<double>(),   choice.item<double>(),    answer.item<double>(),
                   balance.item<double>(), diversity.item<double>(), tokens};
  s.add_up(batch.stage, sums);
  StepLosses losses{sums[0], sums[1], sums[2], sums[3], sums[4], sums[5], 0};
  std::vector<torch::Tensor> all;
  for (const auto& parameter : s.parameters(batch.stage)) all.push_back(parameter.tensor);
  losses.gradient = torch::nn::utils::clip_grad_norm_(all, train.clip);
  if (!losses.finite()) return losses;
  set_rate(optimizer, 0, batch.rate * train.learning_rate);
  if (gated) set_rate(optimizer, 1, batch.rate * train.key_learning_rate);
  optimizer.step();
  if (!gated) return losses;
  const torch::NoGradGuard no_gradients;
  s.keys.div_(s.keys.norm(2, 1, true));
  return losses;
}

std::map<std::string, FloatTensor> Learner::tensors() const {
  std::map<std::string, FloatTensor> result;
  for (const auto& one : state_->parameters()) {
    const auto& [name, tensor, shared] = one;
    result[name] = to_floats(tensor);
    const AdamWParamState* moments = state_->moments(one);
    if (moments == nullptr) continue;
    result["adam.mean." + name] = to_floats(moments->exp_avg());
    result["adam.square." + name] = to_floats(moments->exp_avg_sq());
    result["adam.step." + name] = {{1}, {static_cast<float>(moments->step())}};
  }
  return result;
}

void Learner::load(const std::map<std::string, FloatTensor>& tensors) {
  for (const auto& [name, tensor, shared] : state_->parameters()) {
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
    auto& state = state_->optimizer_of(shared).state();
    state[state_key(state, tensor)] = std::move(moments);
  }
}

}  // namespace crayon
