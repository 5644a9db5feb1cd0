// A tiny random base model in memory, for tests of the network: no file, no llama.cpp.
#pragma once

#include <cmath>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "crayon/base/error.h"
#include "crayon/base/random.h"
#include "crayon/engine/engine.h"

namespace crayon {

class MemoryModel : public Model {
 public:
  explicit MemoryModel(const std::string& architecture, bool tied = true) {
    base_.architecture = architecture;
    base_.name = "memory";
    base_.n_layers = 3;
    base_.d_model = 16;
    base_.n_heads = 4;
    base_.n_kv_heads = 2;
    base_.d_ff = 24;
    base_.n_vocab = 29;
    numbers_[architecture + ".attention.layer_norm_rms_epsilon"] = 1e-5;
    numbers_[architecture + ".rope.freq_base"] = 100.0;
    fill("token_embd.weight", {29, 16}, 1.0);
    if (!tied) fill("output.weight", {29, 16}, 1.0);
    fill("output_norm.weight", {16}, 1.0);
    for (int layer = 0; layer < base_.n_layers; ++layer) fill_block(layer);
  }

  const BaseModel& base() const override { return base_; }
  int context_trained() const override { return 64; }
  FloatTensor tensor(const std::string& name) const override {
    const auto found = tensors_.find(name);
    if (found == tensors_.end()) throw Error(ErrorCode::NotFound, "no tensor " + name);
    return found->second;
  }
  double hyperparameter(const std::string& key) const override {
    const auto found = numbers_.find(key);
    if (found == numbers_.end()) throw Error(ErrorCode::NotFound, "no key " + key);
    return found->second;
  }
  void set_hyperparameter(const std::string& key, double value) { numbers_[key] = value; }

  std::vector<int> tokenize(std::string_view, bool, bool) const override { return {}; }
  std::string detokenize(std::span<const int>) const override { return {}; }
  std::string apply_chat_template(const std::vector<ChatMessage>&, bool) const override {
    return {};
  }
  std::unique_ptr<Engine> open_engine(const EngineOptions&) override { return nullptr; }

 private:
  void fill_block(int layer) {
    const std::string block = "blk." + std::to_string(layer) + ".";
    fill(block + "attn_norm.weight", {16}, 1.0);
    fill(block + "ffn_norm.weight", {16}, 1.0);
    fill(block + "attn_q.weight", {16, 16}, 1.0);
    fill(block + "attn_k.weight", {8, 16}, 1.0);
    fill(block + "attn_v.weight", {8, 16}, 1.0);
    fill(block + "attn_output.weight", {16, 16}, 1.0);
    fill(block + "ffn_gate.weight", {24, 16}, 1.0);
    fill(block + "ffn_up.weight", {24, 16}, 1.0);
    fill(block + "ffn_down.weight", {16, 24}, 1.0);
    if (base_.architecture != "qwen2") return;
    fill(block + "attn_q.bias", {16}, 0.3);
    fill(block + "attn_k.bias", {8}, 0.3);
    fill(block + "attn_v.bias", {8}, 0.3);
  }

  void fill(const std::string& name, const std::vector<std::uint64_t>& shape, double deviation) {
    Rng rng(7, name);
    FloatTensor tensor{shape, {}};
    std::uint64_t count = 1;
    for (const auto size : shape) count *= size;
    const double spread = shape.size() == 2 ? deviation / std::sqrt(16.0) : deviation;
    for (std::uint64_t i = 0; i < count; ++i) {
      tensor.data.push_back(static_cast<float>(spread * rng.normal()));
    }
    tensors_[name] = std::move(tensor);
  }

  BaseModel base_;
  std::map<std::string, double> numbers_;
  std::map<std::string, FloatTensor> tensors_;
};

}  // namespace crayon
