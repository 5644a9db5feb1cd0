#include "crayon/trainer/internal/lora.h"

#include <fmt/format.h>
#include <torch/torch.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

#include "crayon/base/error.h"
#include "crayon/base/random.h"
#include "crayon/trainer/internal/matrix_tensor.h"
#include "crayon/trainer/internal/network.h"

namespace crayon {
namespace {

using torch::Tensor;
using torch::indexing::Slice;

Tensor uniform(std::int64_t rows, std::int64_t cols, double bound, Rng& rng) {
  Tensor tensor = torch::empty({rows, cols});
  float* values = tensor.data_ptr<float>();
  for (std::int64_t i = 0; i < rows * cols; ++i) {
    values[i] = static_cast<float>(bound * (2 * rng.uniform() - 1));
  }
  return tensor;
}

std::string group_name(const std::vector<std::string>& kinds) {
  if (kinds.size() == 1) return kinds[0];
  return kinds.size() == 3 ? "attn_qkv" : "ffn_gate_up";
}

std::string weight_name(int layer, const std::string& kind) {
  return fmt::format("blk.{}.{}.weight", layer, kind);
}

// "blk.<layer>.<kind>.weight"
struct MatrixName {
  int layer;
  std::string kind;
};
std::optional<MatrixName> parse_name(const std::string& name) {
  if (!name.starts_with("blk.") || !name.ends_with(".weight")) return std::nullopt;
  const std::string middle = name.substr(4, name.size() - 4 - 7);
  const std::size_t dot = middle.find('.');
  if (dot == std::string::npos) return std::nullopt;
  int layer = 0;
  const auto [end, error] = std::from_chars(middle.data(), middle.data() + dot, layer);
  if (error != std::errc() || end != middle.data() + dot) return std::nullopt;
  return MatrixName{layer, middle.substr(dot + 1)};
}

MatrixName require_name(const std::string& name, const NetworkConfig& config) {
  const auto parsed = parse_name(name);
  if (parsed && parsed->layer >= 0 && parsed->layer < config.n_layers) {
    for (const auto& group : matrix_groups(config)) {
      for (const auto& kind : group.kinds) {
        if (kind == parsed->kind) return *parsed;
      }
    }
  }
  throw Error(ErrorCode::Incompatible,
              fmt::format("adapter tensor '{}' is none that the trainer can adapt; expected "
                          "blk.0 to blk.{} with attn_q, attn_k, attn_v, attn_output, ffn_gate, "
                          "ffn_up or ffn_down",
                          name, config.n_layers - 1));
}

void check_options(const NetworkConfig& config, const WideLoraOptions& options) {
  if (options.n_adapters >= 1 && options.rank >= 1 && options.shared_rank >= 0 &&
      options.first_layer >= 0 && options.first_layer < config.n_layers) {
    return;
  }
  throw Error(
      ErrorCode::InvalidArgument,
      fmt::format(
          "{} adapters of rank {} (shared {}) from layer {}: expected at least one adapter, "
          "rank 1 or more (shared 0 or more) and a layer from 0 to {}",
          options.n_adapters, options.rank, options.shared_rank, options.first_layer,
          config.n_layers - 1));
}

WideLoraOptions options_for(const NetworkConfig& config, std::span<const Adapter> adapters) {
  WideLoraOptions options{.n_adapters = static_cast<int>(adapters.size()), .rank = 1};
  options.first_layer = config.n_layers - 1;
  for (const auto& adapter : adapters) {
    options.rank = std::max(options.rank, static_cast<int>(max_rank(adapter)));
    for (const auto& tensor : adapter.tensors) {
      options.first_layer = std::min(options.first_layer, require_name(tensor.name, config).layer);
    }
  }
  return options;
}

}  // namespace

std::array<MatrixGroup, kMatrixGroups> matrix_groups(const NetworkConfig& config) {
  const std::int64_t d = config.d_model, ff = config.d_ff;
  const std::int64_t q = static_cast<std::int64_t>(config.n_heads) * config.d_head;
  const std::int64_t kv = static_cast<std::int64_t>(config.n_kv_heads) * config.d_head;
  return {MatrixGroup{{"attn_q", "attn_k", "attn_v"}, {q, kv, kv}, d},
          MatrixGroup{{"attn_output"}, {d}, q}, MatrixGroup{{"ffn_gate", "ffn_up"}, {ff, ff}, d},
          MatrixGroup{{"ffn_down"}, {d}, ff}};
}

WideLora::WideLora(const NetworkConfig& config, const WideLoraOptions& options,
                   torch::Device device)
    : options_(options) {
  check_options(config, options);
  add_groups(config, device);
  const torch::NoGradGuard no_grad;
  Rng rng(options.seed, "lora");
  const auto start = [](const Tensor& a, Rng& from) {
    a.copy_(uniform(a.size(0), a.size(1), 1.0 / std::sqrt(static_cast<double>(a.size(1))), from));
  };
  for (auto& group : groups_) start(group.own.a, rng);
  if (options.shared_rank == 0) return;
  Rng shared_rng(options.seed, "shared lora");
  for (auto& group : groups_) start(group.shared.a, shared_rng);
}

WideLora::WideLora(const NetworkConfig& config, std::span<const Adapter> adapters,
                   torch::Device device)
    : options_(options_for(config, adapters)) {
  check_options(config, options_);
  add_groups(config, device);
  const torch::NoGradGuard no_grad;
  for (std::size_t i = 0; i < adapters.size(); ++i) {
    const auto first = static_cast<std::int64_t>(i) * options_.rank;
    for (const auto& tensor : adapters[i].tensors) load(config, false, first, tensor);
  }
}

void WideLora::set_shared(const NetworkConfig& config, const Adapter& adapter) {
  const torch::NoGradGuard no_grad;
  for (const auto& group : groups_) {
    group.shared.a.zero_();
    for (const auto& b : group.shared.b) b.zero_();
  }
  for (const auto& tensor : adapter.tensors) {
    const MatrixName name = require_name(tensor.name, config);
    if (name.layer < options_.first_layer) {
      throw Error(ErrorCode::Incompatible,
                  fmt::format("the shared adapter has '{}', below the pool's first layer {}; lower "
                              "[pool] first_layer to {} or less",
                              tensor.name, options_.first_layer, name.layer));
    }
    load(config, true, 0, tensor);
  }
}

void WideLora::add_groups(const NetworkConfig& config, torch::Device device) {
  const std::int64_t wide = static_cast<std::int64_t>(options_.n_adapters) * options_.rank;
  const auto leaf = torch::TensorOptions().device(device).requires_grad(true);
  const auto pair = [&](const MatrixGroup& matrices, std::int64_t rank) {
    const auto kinds = static_cast<std::int64_t>(matrices.kinds.size());
    Pair zeros{torch::zeros({kinds * rank, matrices.d_in}, leaf), {}};
    for (const auto d_out : matrices.d_out) zeros.b.push_back(torch::zeros({d_out, rank}, leaf));
    return zeros;
  };
  for (int layer = options_.first_layer; layer < config.n_layers; ++layer) {
    for (const auto& matrices : matrix_groups(config)) {
      Group group{matrices.kinds, pair(matrices, wide), {}};
      if (options_.shared_rank > 0) group.shared = pair(matrices, options_.shared_rank);
      groups_.push_back(std::move(group));
    }
  }
}

void WideLora::load(const NetworkConfig& config, bool shared, std::int64_t first,
                    const LoraTensor& tensor) {
  const MatrixName name = require_name(tensor.name, config);
  const auto rank = static_cast<std::int64_t>(tensor.rank());
  for (int g = 0; g < kMatrixGroups; ++g) {
    const Group& found = group(name.layer, g);
    const auto kind = std::find(found.kinds.begin(), found.kinds.end(), name.kind);
    if (kind == found.kinds.end()) continue;
    const auto k = kind - found.kinds.begin();
    const Pair& pair = shared ? found.shared : found.own;
    const Tensor& b = pair.b[static_cast<std::size_t>(k)];
    if (std::cmp_not_equal(tensor.a.cols, pair.a.size(1)) ||
        std::cmp_not_equal(tensor.b.rows, b.size(0))) {
      throw Error(
          ErrorCode::Incompatible,
          fmt::format("adapter tensor '{}' maps {} to {} numbers, but the base's matrix "
                      "maps {} to {}; use an adapter of this base",
                      tensor.name, tensor.a.cols, tensor.b.rows, pair.a.size(1), b.size(0)));
    }
    pair.a.narrow(0, k * b.size(1) + first, rank).copy_(to_torch(tensor.a));
    b.narrow(1, first, rank).copy_(to_torch(tensor.b) * tensor.scale);
  }
}

const WideLora::Group& WideLora::group(int layer, int index) const {
  return groups_.at(
      static_cast<std::size_t>((layer - options_.first_layer) * kMatrixGroups + index));
}

std::vector<TrainedTensor> WideLora::parameters() const {
  std::vector<TrainedTensor> all;
  const auto add = [&](std::size_t g, const Pair& pair, const std::string& prefix, bool shared) {
    const int layer = options_.first_layer + static_cast<int>(g) / kMatrixGroups;
    const std::vector<std::string>& kinds = groups_[g].kinds;
    all.push_back({fmt::format("{}blk.{}.{}.a", prefix, layer, group_name(kinds)), pair.a, shared});
    for (std::size_t k = 0; k < pair.b.size(); ++k) {
      all.push_back({fmt::format("{}blk.{}.{}.b", prefix, layer, kinds[k]), pair.b[k], shared});
    }
  };
  for (std::size_t g = 0; g < groups_.size(); ++g) add(g, groups_[g].own, "", false);
  if (options_.shared_rank == 0) return all;
  for (std::size_t g = 0; g < groups_.size(); ++g) add(g, groups_[g].shared, "shared.", true);
  return all;
}

torch::Tensor WideLora::gain(const torch::Tensor& weights, float shared_weight) const {
  Tensor own;
  if (weights.defined()) own = (weights * options_.scale).repeat_interleave(options_.rank);
  if (options_.shared_rank == 0) return own;
  const Tensor shared = torch::full({options_.shared_rank}, shared_weight,
                                    groups_[0].own.a.options().requires_grad(false));
  return weights.defined() ? torch::cat({shared, own}) : shared;
}

GroupFactors WideLora::shared_factors(const Group& group, const Tensor& gain,
                                      NumberType type) const {
  const auto used = [&](const Tensor& tensor) {
    return (shared_frozen_ ? tensor.detach() : tensor).to(scalar_type(type));
  };
  GroupFactors factors{used(group.shared.a), {}, gain};
  for (const auto& b : group.shared.b) factors.b.push_back(used(b));
  return factors;
}

GroupFactors WideLora::factors(int layer, int index, const torch::Tensor& gain,
                               NumberType type) const {
  const Group& found = group(layer, index);
  const auto kinds = static_cast<std::int64_t>(found.kinds.size());
  const Tensor gains = kinds == 1 ? gain : gain.repeat(kinds);
  GroupFactors factors{{}, {}, gains};
  if (options_.shared_rank > 0) factors = shared_factors(found, gains, type);
  if (options_.shared_rank > 0 && gain.size(0) == options_.shared_rank) return factors;
  const Tensor a = found.own.a.to(scalar_type(type));
  if (options_.shared_rank == 0) {
    factors.a = a;
    for (const auto& b : found.own.b) factors.b.push_back(b.to(scalar_type(type)));
    return factors;
  }
  const std::int64_t d_in = a.size(1);
  factors.a = torch::cat({factors.a.view({kinds, -1, d_in}), a.view({kinds, -1, d_in})}, 1)
                  .reshape({-1, d_in});
  for (std::size_t k = 0; k < factors.b.size(); ++k) {
    factors.b[k] = torch::cat({factors.b[k], found.own.b[k].to(scalar_type(type))}, 1);
  }
  return factors;
}

Adapter WideLora::cut_out(const std::string& base_id, bool shared, std::int64_t first,
                          std::int64_t rank) const {
  Adapter adapter{base_id, {}};
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    const int layer = options_.first_layer + static_cast<int>(g) / kMatrixGroups;
    const Group& group = groups_[g];
    const Pair& pair = shared ? group.shared : group.own;
    for (std::size_t k = 0; k < pair.b.size(); ++k) {
      const auto row = static_cast<std::int64_t>(k) * pair.b[k].size(1) + first;
      adapter.tensors.push_back(
          {weight_name(layer, group.kinds[k]), to_matrix(pair.a.narrow(0, row, rank)),
           to_matrix(pair.b[k].narrow(1, first, rank)), shared ? 1.0f : options_.scale});
    }
  }
  std::sort(adapter.tensors.begin(), adapter.tensors.end(),
            [](const LoraTensor& x, const LoraTensor& y) { return x.name < y.name; });
  return adapter;
}

Adapter WideLora::export_adapter(int i, const std::string& base_id) const {
  return cut_out(base_id, false, static_cast<std::int64_t>(i) * options_.rank, options_.rank);
}

Adapter WideLora::export_shared(const std::string& base_id) const {
  return cut_out(base_id, true, 0, options_.shared_rank);
}

// <B_i A_i, B_j A_j> is the sum over the r x r block (i, j) of (B^T B) * (A A^T).
torch::Tensor WideLora::overlap() const {
  constexpr double kTiny = 1e-20;  // keeps 0 / 0 at 0 while B is zero
  const std::int64_t n = options_.n_adapters, r = options_.rank;
  Tensor sum = torch::zeros({}, groups_[0].own.a.options().requires_grad(false));
  if (n < 2) return sum;
  std::int64_t matrices = 0;
  for (const auto& group : groups_) {
    for (std::size_t k = 0; k < group.own.b.size(); ++k) {
      const Tensor& b = group.own.b[k];
      const Tensor a = group.own.a.narrow(0, static_cast<std::int64_t>(k) * n * r, n * r);
      const Tensor blocks = b.t().mm(b) * a.mm(a.t());
      const Tensor products = blocks.view({n, r, n, r}).sum({1, 3});
      const Tensor norms = products.diagonal();
      const Tensor squared = products.square() / (norms.outer(norms) + kTiny);
      sum = sum + squared.sum() - squared.diagonal().sum();
      ++matrices;
    }
  }
  return sum / static_cast<double>(matrices * n * (n - 1));
}

}  // namespace crayon
