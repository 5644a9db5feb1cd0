// write_random_model: a GGUF as ggml itself writes it.
#include <fmt/format.h>
#include <ggml.h>
#include <gguf.h>

#include <cmath>
#include <map>
#include <memory>
#include <stdexcept>

#include "crayon/base/random.h"
#include "crayon/testing/random.h"

namespace crayon {
namespace {

struct Free {
  void operator()(gguf_context* p) const noexcept { gguf_free(p); }
  void operator()(ggml_context* p) const noexcept { ggml_free(p); }
};

void append_utf8(std::string& text, int code_point) {  // below U+0800
  if (code_point < 0x80) {
    text += static_cast<char>(code_point);
  } else {
    text += static_cast<char>(0xC0 | (code_point >> 6));
    text += static_cast<char>(0x80 | (code_point & 0x3F));
  }
}

/// GPT-2's printable stand-in for each byte: itself where it is printable, else U+0100 and up.
std::vector<std::string> byte_tokens() {
  std::vector<std::string> tokens(256);
  int next = 256;
  for (int byte = 0; byte < 256; ++byte) {
    const bool printable =
        (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    append_utf8(tokens[static_cast<std::size_t>(byte)], printable ? byte : next++);
  }
  return tokens;
}

struct Vocabulary {
  std::vector<std::string> tokens;
  std::vector<std::int32_t> types;  // 1 normal, 3 control
  std::vector<std::string> merges;
};

Vocabulary make_vocabulary(int n_vocab) {
  constexpr int kSpecials = 3;
  Vocabulary vocabulary{.tokens = byte_tokens(), .types = {}, .merges = {}};
  const std::string space = vocabulary.tokens[' '];
  const auto merge = [&](const std::string& left, const std::string& right) {
    if (static_cast<int>(vocabulary.tokens.size()) + kSpecials >= n_vocab) return;
    vocabulary.tokens.push_back(left + right);
    vocabulary.merges.push_back(left + " " + right);
  };
  for (char c = 'a'; c <= 'z'; ++c) merge(space, std::string(1, c));
  merge("t", "h");
  merge("th", "e");
  merge("i", "n");
  merge("e", "r");
  merge("a", "n");
  merge("an", "d");
  while (static_cast<int>(vocabulary.tokens.size()) + kSpecials < n_vocab) {
    vocabulary.tokens.push_back(fmt::format("<unused{}>", vocabulary.tokens.size()));
  }
  vocabulary.types.assign(vocabulary.tokens.size(), 1);
  for (const char* special : {"<|endoftext|>", "<|im_start|>", "<|im_end|>"}) {
    vocabulary.tokens.emplace_back(special);
    vocabulary.types.push_back(3);
  }
  return vocabulary;
}

void set_texts(gguf_context* gguf, const char* key, const std::vector<std::string>& texts) {
  std::vector<const char*> pointers;
  for (const auto& text : texts) pointers.push_back(text.c_str());
  gguf_set_arr_str(gguf, key, pointers.data(), pointers.size());
}

void set_vocabulary(gguf_context* gguf, const RandomModelOptions& options) {
  const Vocabulary vocabulary = make_vocabulary(options.n_vocab);
  const auto n = static_cast<std::uint32_t>(vocabulary.tokens.size());
  gguf_set_val_str(gguf, "tokenizer.ggml.model", "gpt2");
  gguf_set_val_str(gguf, "tokenizer.ggml.pre",
                   options.architecture == "qwen2" ? "qwen2" : "smollm");
  set_texts(gguf, "tokenizer.ggml.tokens", vocabulary.tokens);
  set_texts(gguf, "tokenizer.ggml.merges", vocabulary.merges);
  gguf_set_arr_data(gguf, "tokenizer.ggml.token_type", GGUF_TYPE_INT32, vocabulary.types.data(), n);
  gguf_set_val_u32(gguf, "tokenizer.ggml.bos_token_id", n - 3);
  gguf_set_val_u32(gguf, "tokenizer.ggml.eos_token_id", n - 1);
  gguf_set_val_bool(gguf, "tokenizer.ggml.add_bos_token", options.bos);
  gguf_set_val_str(gguf, "tokenizer.chat_template",
                   "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + "
                   "message['content'] + '<|im_end|>' + '\n'}}{% endfor %}"
                   "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}");
}

void set_shape(gguf_context* gguf, const RandomModelOptions& options) {
  const auto set = [&](const char* key, int value) {
    gguf_set_val_u32(gguf, fmt::format("{}.{}", options.architecture, key).c_str(),
                     static_cast<std::uint32_t>(value));
  };
  gguf_set_val_str(gguf, "general.architecture", options.architecture.c_str());
  gguf_set_val_str(gguf, "general.name", "tiny");
  set("block_count", options.n_layers);
  set("context_length", options.context);
  set("embedding_length", options.d_model);
  set("feed_forward_length", options.d_ff);
  set("attention.head_count", options.n_heads);
  set("attention.head_count_kv", options.n_kv_heads);
  set("rope.dimension_count", options.d_model / options.n_heads);
  set("vocab_size", options.n_vocab);
  gguf_set_val_f32(gguf, (options.architecture + ".attention.layer_norm_rms_epsilon").c_str(),
                   1e-5f);
  gguf_set_val_f32(gguf, (options.architecture + ".rope.freq_base").c_str(), 10000.0f);
}

void set_key(gguf_context* gguf, const std::string& key, std::uint32_t value) {
  gguf_set_val_u32(gguf, key.c_str(), value);
}
void set_key(gguf_context* gguf, const std::string& key, float value) {
  gguf_set_val_f32(gguf, key.c_str(), value);
}
void set_key(gguf_context* gguf, const std::string& key, const std::string& value) {
  gguf_set_val_str(gguf, key.c_str(), value.c_str());
}

/// Adds tensors of random numbers, and what adapters change of them.
class Weights {
 public:
  Weights(gguf_context* gguf, std::uint64_t seed, std::span<const BlendPart> merged)
      : gguf_(gguf), seed_(seed), merged_(merged) {
    context_.reset(
        ggml_init({.mem_size = std::size_t{64} << 20, .mem_buffer = nullptr, .no_alloc = false}));
  }

  void matrix(const std::string& name, int d_out, int d_in) {
    ggml_tensor* tensor = ggml_new_tensor_2d(context_.get(), GGML_TYPE_F32, d_in, d_out);
    fill(tensor, name, 1 / std::sqrt(static_cast<double>(d_in)), 0);
    merge(name, static_cast<float*>(tensor->data));
  }
  void vector(const std::string& name, int d, double deviation, double mean) {
    fill(ggml_new_tensor_1d(context_.get(), GGML_TYPE_F32, d), name, deviation, mean);
  }

 private:
  void fill(ggml_tensor* tensor, const std::string& name, double deviation, double mean) {
    Rng rng(seed_, name);
    auto* values = static_cast<float*>(tensor->data);
    const auto n = ggml_nelements(tensor);
    for (std::int64_t i = 0; i < n; ++i) {
      values[i] = static_cast<float>(mean + deviation * rng.normal());
    }
    ggml_set_name(tensor, name.c_str());
    gguf_add_tensor(gguf_, tensor);
  }

  void merge(const std::string& name, float* weight) const {
    for (const auto& part : merged_) {
      for (const auto& tensor : part.adapter.tensors) {
        if (tensor.name == name) add_delta(tensor, part.weight * tensor.scale, weight);
      }
    }
  }

  static void add_delta(const LoraTensor& tensor, float factor, float* weight) {
    for (std::size_t o = 0; o < tensor.b.rows; ++o) {
      for (std::size_t i = 0; i < tensor.a.cols; ++i) {
        double sum = 0;
        for (std::size_t r = 0; r < tensor.a.rows; ++r)
          sum += tensor.b.at(o, r) * tensor.a.at(r, i);
        weight[o * tensor.a.cols + i] += static_cast<float>(factor * sum);
      }
    }
  }

  gguf_context* gguf_;
  std::uint64_t seed_;
  std::span<const BlendPart> merged_;
  std::unique_ptr<ggml_context, Free> context_;
};

void add_block(Weights& weights, const RandomModelOptions& options, int layer) {
  const int d = options.d_model;
  const int kv = d / options.n_heads * options.n_kv_heads;
  const auto name = [&](const char* kind) { return fmt::format("blk.{}.{}", layer, kind); };
  weights.vector(name("attn_norm.weight"), d, 0.1, 1);
  weights.matrix(name("attn_q.weight"), d, d);
  weights.matrix(name("attn_k.weight"), kv, d);
  weights.matrix(name("attn_v.weight"), kv, d);
  weights.matrix(name("attn_output.weight"), d, d);
  if (options.architecture == "qwen2") {
    weights.vector(name("attn_q.bias"), d, 0.5, 0);
    weights.vector(name("attn_k.bias"), kv, 0.5, 0);
    weights.vector(name("attn_v.bias"), kv, 0.5, 0);
  }
  weights.vector(name("ffn_norm.weight"), d, 0.1, 1);
  weights.matrix(name("ffn_gate.weight"), options.d_ff, d);
  weights.matrix(name("ffn_up.weight"), options.d_ff, d);
  weights.matrix(name("ffn_down.weight"), d, options.d_ff);
}

}  // namespace

void write_random_model(const std::filesystem::path& file, const RandomModelOptions& options,
                        std::span<const BlendPart> merged) {
  const std::unique_ptr<gguf_context, Free> gguf(gguf_init_empty());
  set_shape(gguf.get(), options);
  set_vocabulary(gguf.get(), options);
  for (const auto& [key, value] : options.keys) {
    std::visit([&, name = key](const auto& v) { set_key(gguf.get(), name, v); }, value);
  }
  Weights weights(gguf.get(), options.seed, merged);
  weights.matrix("token_embd.weight", options.n_vocab, options.d_model);
  for (int layer = 0; layer < options.n_layers; ++layer) add_block(weights, options, layer);
  weights.vector("output_norm.weight", options.d_model, 0.1, 1);
  if (!options.tied) weights.matrix("output.weight", options.n_vocab, options.d_model);
  if (!gguf_write_to_file(gguf.get(), file.c_str(), /*only_meta=*/false)) {
    throw std::runtime_error("cannot write " + file.string());
  }
}

}  // namespace crayon
