#include "crayon/trainer/internal/network.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <torch/torch.h>

#include <cmath>
#include <limits>
#include <optional>
#include <utility>

#include "crayon/base/error.h"
#include "crayon/trainer/internal/attention.h"
#include "crayon/trainer/internal/block_functions.h"

namespace crayon {
namespace {

using torch::Tensor;

std::optional<double> find_number(const Model& model, const std::string& key) {
  try {
    return model.hyperparameter(key);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::NotFound) throw;
    return std::nullopt;
  }
}

std::optional<FloatTensor> find_tensor(const Model& model, const std::string& name) {
  try {
    return model.tensor(name);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::NotFound) throw;
    return std::nullopt;
  }
}

/// Keys whose presence with another value than the one here changes the computation.
void check_plain(const Model& model, const NetworkConfig& config) {
  const std::pair<const char*, double> expected[] = {{"attention.key_length", config.d_head},
                                                     {"attention.value_length", config.d_head},
                                                     {"rope.dimension_count", config.d_head},
                                                     {"rope.scaling.factor", 1.0},
                                                     {"expert_count", 0.0}};
  for (const auto& [key, want] : expected) {
    const auto found = find_number(model, config.architecture + "." + key);
    if (found && *found != want) {
      throw Error(ErrorCode::Unsupported,
                  fmt::format("{}: {}.{} is {}, but the trainer handles {} only; train on "
                              "another base model",
                              model.base().name, config.architecture, key, *found, want));
    }
  }
  if (find_tensor(model, "rope_freqs.weight")) {
    throw Error(ErrorCode::Unsupported,
                fmt::format("{}: it scales its rotary frequencies (rope_freqs.weight), which the "
                            "trainer does not; train on another base model",
                            model.base().name));
  }
}

std::string shape_text(const std::vector<std::uint64_t>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

struct Layer {
  Tensor attention_norm, feed_forward_norm;  ///< f32 [d]
  Tensor weights[kMatrixGroups];             ///< The matrices of a group, one above the other.
  Tensor qkv_bias;                           ///< Undefined without.
};

}  // namespace

NetworkConfig network_config(const Model& model) {
  const BaseModel& base = model.base();
  if (base.architecture != "llama" && base.architecture != "qwen2") {
    throw Error(ErrorCode::Unsupported,
                fmt::format("{}: its architecture is '{}', but the trainer handles llama and "
                            "qwen2; train on another base model",
                            base.name, base.architecture));
  }
  NetworkConfig config{.architecture = base.architecture,
                       .n_layers = base.n_layers,
                       .d_model = base.d_model,
                       .n_heads = base.n_heads,
                       .n_kv_heads = base.n_kv_heads,
                       .d_ff = base.d_ff,
                       .n_vocab = base.n_vocab};
  const bool whole = config.n_heads > 0 && config.n_kv_heads > 0 && config.n_layers > 0 &&
                     config.d_model % config.n_heads == 0 &&
                     config.n_heads % config.n_kv_heads == 0 &&
                     config.d_model / config.n_heads % 2 == 0;
  if (!whole) {
    throw Error(ErrorCode::Unsupported,
                fmt::format("{}: {} heads and {} key-value heads for a width of {}: expected each "
                            "to divide the one before, and an even width of a head",
                            base.name, base.n_heads, base.n_kv_heads, base.d_model));
  }
  config.d_head = config.d_model / config.n_heads;
  config.half_split_rope = base.architecture == "qwen2";
  const std::string prefix = base.architecture + ".";
  config.rope_freq_base = find_number(model, prefix + "rope.freq_base").value_or(10000.0);
  config.rms_eps = model.hyperparameter(prefix + "attention.layer_norm_rms_epsilon");
  check_plain(model, config);
  return config;
}

struct Network::Weights {
  NetworkConfig config;
  NetworkOptions options;
  Tensor embedding;    ///< [V, d]
  Tensor output;       ///< [V, d]; the embedding where tied.
  Tensor output_norm;  ///< f32 [d]
  std::vector<Layer> layers;

  Weights(const Model& model, const NetworkOptions& wanted)
      : config(network_config(model)), options(wanted) {
    const torch::NoGradGuard no_grad;
    const std::int64_t d = config.d_model, v = config.n_vocab;
    embedding = matrix(model, "token_embd.weight", v, d);
    const bool tied = !find_tensor(model, "output.weight").has_value();
    output = tied ? embedding : matrix(model, "output.weight", v, d);
    output_norm = vector(model, "output_norm.weight", d, torch::kFloat);
    const int end = wanted.n_layers < 0 ? config.n_layers : wanted.n_layers;
    for (int layer = 0; layer < end; ++layer) layers.push_back(read_layer(model, layer));
  }

  [[nodiscard]] Layer read_layer(const Model& model, int index) const {
    const std::string block = fmt::format("blk.{}.", index);
    Layer layer;
    layer.attention_norm = vector(model, block + "attn_norm.weight", config.d_model, torch::kFloat);
    layer.feed_forward_norm =
        vector(model, block + "ffn_norm.weight", config.d_model, torch::kFloat);
    const auto groups = matrix_groups(config);
    for (std::size_t g = 0; g < groups.size(); ++g) {
      std::vector<Tensor> parts;
      for (std::size_t k = 0; k < groups[g].kinds.size(); ++k) {
        parts.push_back(matrix(model, block + groups[g].kinds[k] + ".weight", groups[g].d_out[k],
                               groups[g].d_in));
      }
      layer.weights[g] = parts.size() == 1 ? parts[0] : at::cat(parts, 0);
    }
    if (find_tensor(model, block + "attn_q.bias")) {
      std::vector<Tensor> parts;
      for (std::size_t k = 0; k < 3; ++k) {
        parts.push_back(vector(model, block + groups[0].kinds[k] + ".bias", groups[0].d_out[k],
                               scalar_type(options.type)));
      }
      layer.qkv_bias = at::cat(parts, 0);
    }
    return layer;
  }

  [[nodiscard]] Tensor read(const Model& model, const std::string& name,
                            const std::vector<std::uint64_t>& shape, torch::ScalarType type) const {
    FloatTensor found = model.tensor(name);
    if (found.shape != shape) {
      throw Error(ErrorCode::CorruptFile,
                  fmt::format("{}: tensor '{}' is {}, but the model's numbers need {}",
                              model.base().name, name, shape_text(found.shape), shape_text(shape)));
    }
    const std::vector<std::int64_t> sizes(shape.begin(), shape.end());
    return torch::from_blob(found.data.data(), sizes).to(options.device, type, false, true);
  }
  [[nodiscard]] Tensor matrix(const Model& model, const std::string& name, std::int64_t rows,
                              std::int64_t cols) const {
    return read(model, name, {static_cast<std::uint64_t>(rows), static_cast<std::uint64_t>(cols)},
                scalar_type(options.type));
  }
  [[nodiscard]] Tensor vector(const Model& model, const std::string& name, std::int64_t size,
                              torch::ScalarType type) const {
    return read(model, name, {static_cast<std::uint64_t>(size)}, type);
  }

  [[nodiscard]] std::shared_ptr<const AttentionPlan> plan(const TreeBatch& batch) const {
    auto plan = std::make_shared<AttentionPlan>();
    plan->heads = config.n_heads;
    plan->kv_heads = config.n_kv_heads;
    plan->width = config.d_head;
    plan->half_split = config.half_split_rope;
    const auto f64 = torch::TensorOptions().dtype(torch::kDouble).device(options.device);
    const Tensor exponents = torch::arange(0, config.d_head, 2, f64) / -config.d_head;
    const Tensor rates = torch::pow(config.rope_freq_base, exponents);
    const Tensor angles = batch.positions.to(torch::kDouble).outer(rates).unsqueeze(1);
    plan->cos = angles.cos().to(torch::kFloat);
    plan->sin = angles.sin().to(torch::kFloat);
    plan->lengths = batch.lengths;
    plan->masks = batch.masks;
    if (!options.device.is_cpu()) pad_items(*plan, options.device);
    return plan;
  }

  /// Runs blocks [begin, end) over the residual stream.
  [[nodiscard]] Tensor run(Tensor hidden, const TreeBatch& batch, std::pair<int, int> blocks,
                           const Adapters* adapters) const {
    const auto shared_plan = plan(batch);
    const Tensor gain =
        adapters ? adapters->lora.gain(adapters->weights, adapters->shared) : Tensor();
    for (int index = blocks.first; index < blocks.second; ++index) {
      const Layer& layer = layers.at(static_cast<std::size_t>(index));
      const bool adapted = adapters && index >= adapters->lora.options().first_layer;
      const auto linear = [&](const Tensor& x, int group) {
        const Tensor bias = group == 0 ? layer.qkv_bias : Tensor();
        if (!adapted) return adapted_linear(x, layer.weights[group], bias, nullptr);
        const auto factors = adapters->lora.factors(index, group, gain, options.type);
        return adapted_linear(x, layer.weights[group], bias, &factors);
      };
      const auto normed = [&](const Tensor& weight) {
        return rms_norm(hidden, weight, config.rms_eps, scalar_type(options.type));
      };
      hidden =
          hidden + linear(tree_attention(linear(normed(layer.attention_norm), 0), shared_plan), 1);
      hidden = hidden + linear(swiglu(linear(normed(layer.feed_forward_norm), 2)), 3);
    }
    return hidden;
  }
};

Network::Network(const Model& model, const NetworkOptions& options)
    : weights_(std::make_unique<Weights>(model, options)) {}
Network::~Network() = default;
Network::Network(Network&&) noexcept = default;
Network& Network::operator=(Network&&) noexcept = default;

const NetworkConfig& Network::config() const { return weights_->config; }
NumberType Network::type() const { return weights_->options.type; }
torch::Device Network::device() const { return weights_->options.device; }

torch::Tensor Network::trunk(const TreeBatch& batch, int end_layer) const {
  const torch::NoGradGuard no_grad;
  const Tensor start = weights_->embedding.index_select(0, batch.tokens).to(torch::kFloat);
  return weights_->run(start, batch, {0, end_layer}, nullptr);
}

torch::Tensor Network::crown(const torch::Tensor& hidden, const TreeBatch& batch, int first_layer,
                             const Adapters* adapters) const {
  const Tensor top =
      weights_->run(hidden.to(torch::kFloat), batch, {first_layer, config().n_layers}, adapters);
  return rms_norm(top, weights_->output_norm, config().rms_eps, torch::kFloat);
}

torch::Tensor Network::token_log_probs(const torch::Tensor& final_hidden,
                                       const TreeBatch& batch) const {
  const Tensor rows = final_hidden.index_select(0, batch.predict_rows);
  return target_log_probs(rows.to(scalar_type(type())), weights_->output, batch.scored_rows,
                          batch.targets);
}

torch::Tensor Network::choice_scores(const torch::Tensor& final_hidden,
                                     const TreeBatch& batch) const {
  const Tensor log_probs = token_log_probs(final_hidden, batch);
  const Tensor sums = torch::zeros({batch.items() * batch.choices()}, log_probs.options())
                          .index_add(0, batch.choice_of, log_probs)
                          .view({batch.items(), batch.choices()});
  return (sums / batch.choice_tokens.clamp_min(1))
      .masked_fill(batch.choice_tokens == 0, -std::numeric_limits<float>::infinity());
}

torch::Tensor Network::logits(std::span<const int> tokens, const Adapters* adapters) const {
  const torch::NoGradGuard no_grad;
  const TreeBatch batch = collate_sequence(tokens, device());
  const int first = adapters ? adapters->lora.options().first_layer : config().n_layers;
  const Tensor last = crown(trunk(batch, first), batch, first, adapters);
  return at::linear(last.to(scalar_type(type())), weights_->output).to(torch::kFloat);
}

}  // namespace crayon
