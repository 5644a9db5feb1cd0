#include "crayon/formats/internal/check_model.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <unordered_map>

#include "crayon/formats/internal/ggml_types.h"
#include "crayon/formats/internal/messages.h"

namespace crayon {
namespace {

/// Checks the keys and tensors of one model.
class ModelChecker {
 public:
  ModelChecker(const Gguf& gguf, const BaseModel& model) : gguf_(gguf), model_(model) {}

  void check_heads() const {
    if (model_.n_heads % model_.n_kv_heads != 0) {
      throw corrupt(gguf_.file(), "has {} heads for {} key-value heads, expected a multiple",
                    model_.n_heads, model_.n_kv_heads);
    }
    const auto heads = static_cast<std::uint64_t>(model_.n_heads);
    const auto width = static_cast<std::uint64_t>(model_.d_model);
    const std::uint64_t key = number("attention.key_length", width / heads);
    const std::uint64_t value = number("attention.value_length", width / heads);
    const std::uint64_t rotated = number("rope.dimension_count", key);
    // Qwen2's graph takes the heads to fill the embedding, as does the default length.
    const bool must_fill = model_.architecture == "qwen2" || !has("attention.key_length");
    if (key == 0 || key > width || key % 2 != 0 || value != key || rotated != key ||
        (must_fill && key * heads != width)) {
      throw corrupt(gguf_.file(),
                    "has embedding length {}, {} heads, keys of {} numbers ({} rotated) and values "
                    "of {}, expected heads that share the embedding evenly, and one even length",
                    width, heads, key, rotated, value);
    }
  }

  void check_kind() const {
    const std::string scaling = text("rope.scaling.type", "linear");
    expect_one_of("rope.scaling.type", scaling,
                  std::array<std::string_view, 4>{"none", "linear", "yarn", "longrope"});
    const std::string epsilon = key("attention.layer_norm_rms_epsilon");
    if (gguf_.has(epsilon) && !(gguf_.real(epsilon) >= 0 && std::isfinite(gguf_.real(epsilon)))) {
      throw corrupt(gguf_.file(), "key {} is {}, expected at least 0", in_quotes(epsilon),
                    gguf_.real(epsilon));
    }
    if (const auto layers = number("nextn_predict_layers", 0); layers > 0) {
      throw file_error(ErrorCode::Unsupported, gguf_.file(),
                       "has {} layers that predict further tokens, expected none; convert it "
                       "without them",
                       layers);
    }
    const std::uint64_t experts = number("expert_count", 0);
    const std::uint64_t used = number("expert_used_count", 0);
    const std::uint64_t groups = number("expert_group_count", 0);
    if (experts > kMostExperts || used > experts || (used == 0) != (experts == 0) || groups > 0) {
      throw corrupt(gguf_.file(),
                    "uses {} of {} experts in {} groups, expected 1 to all of them, at "
                    "most {}, in none",
                    used, experts, groups, kMostExperts);
    }
  }

  /// Vectors are added and multiplied as they are; matrices need a product with float32.
  void check_tensors() const {
    constexpr std::array<std::string_view, 7> kNoProduct{"I8",  "I16",  "I32", "I64",
                                                         "F64", "Q8_1", "Q8_K"};
    for (const GgufTensor& tensor : gguf_.tensors()) {
      const GgmlType* type = find_ggml_type(tensor.ggml_type);
      const bool vector = tensor.shape.size() <= 1;
      if (vector ? type->name != "F32"
                 : std::ranges::find(kNoProduct, type->name) != kNoProduct.end()) {
        throw file_error(ErrorCode::Unsupported, gguf_.file(),
                         "{} {} has number type {}, expected {}; convert the model anew",
                         vector ? "vector" : "matrix", in_quotes(tensor.name), type->name,
                         vector ? "F32" : "a type of weights such as F16 or Q8_0");
      }
    }
  }

  void check_vocabulary(const std::vector<std::string>& tokens) const {
    const auto ids = ids_of(tokens);
    expect_items("scores", tokens.size());
    expect_items("token_type", tokens.size());
    if (!gguf_.has("tokenizer.ggml.model")) return;  // llama.cpp says so
    const std::string model = gguf_.text("tokenizer.ggml.model");
    expect_one_of("tokenizer.ggml.model", model, std::array<std::string_view, 2>{"llama", "gpt2"});
    if (model == "llama") expect_bytes(ids);
    if (gguf_.has("tokenizer.ggml.pre") && gguf_.text("tokenizer.ggml.pre") == "whitespace") {
      throw file_error(ErrorCode::Unsupported, gguf_.file(),
                       "splits text at 'whitespace', which is for embedding models; use a model "
                       "that writes text");
    }
  }

 private:
  static constexpr std::uint64_t kMostExperts = 1024;  ///< llama.cpp's LLAMA_MAX_EXPERTS.
  using Ids = std::unordered_map<std::string, std::size_t>;

  [[nodiscard]] std::string key(const char* name) const { return model_.architecture + "." + name; }
  [[nodiscard]] bool has(const char* name) const { return gguf_.has(key(name)); }
  [[nodiscard]] std::uint64_t number(const char* name, std::uint64_t otherwise) const {
    return has(name) ? gguf_.number(key(name)) : otherwise;
  }
  [[nodiscard]] std::string text(const char* name, const char* otherwise) const {
    return has(name) ? gguf_.text(key(name)) : otherwise;
  }

  template <std::size_t N>
  void expect_one_of(const char* what, const std::string& found,
                     const std::array<std::string_view, N>& known) const {
    if (std::ranges::find(known, found) != known.end()) return;
    throw file_error(ErrorCode::Unsupported, gguf_.file(),
                     "{} is {}, expected one of {}; use a model of those", what, in_quotes(found),
                     fmt::join(known, ", "));
  }

  /// The tokens' places, by the texts that llama.cpp gives them.
  [[nodiscard]] Ids ids_of(const std::vector<std::string>& tokens) const {
    Ids ids;
    ids.reserve(tokens.size());
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      const std::string text = tokens[i].empty() ? fmt::format("[EMPTY_{}]", i) : tokens[i];
      const auto [other, is_new] = ids.emplace(text, i);
      if (!is_new) {
        throw corrupt(gguf_.file(), "tokens {} and {} are both {}, expected each once",
                      other->second, i, in_quotes(text));
      }
    }
    return ids;
  }

  /// An optional array has an entry for each token.
  void expect_items(const char* name, std::size_t tokens) const {
    const auto found = gguf_.metadata().find(std::string("tokenizer.ggml.") + name);
    if (found == gguf_.metadata().end()) return;
    const auto* array = std::get_if<GgufArray>(&found->second);
    const std::size_t items =
        array == nullptr ? 0 : std::visit([](const auto& values) { return values.size(); }, *array);
    if (items < tokens) {
      throw corrupt(gguf_.file(), "key {} has {} entries for {} tokens, expected one for each",
                    in_quotes(found->first), items, tokens);
    }
  }

  /// What no token matches is written byte by byte.
  void expect_bytes(const Ids& ids) const {
    for (int byte = 0; byte < 256; ++byte) {
      const std::string token = fmt::format("<0x{:02X}>", byte);
      if (ids.contains(token) || ids.contains(std::string(1, static_cast<char>(byte)))) continue;
      throw corrupt(gguf_.file(), "its vocabulary lacks {}, expected a token for each byte",
                    in_quotes(token));
    }
  }

  const Gguf& gguf_;
  const BaseModel& model_;
};

}  // namespace

void check_model(const Gguf& gguf, const BaseModel& model, const std::vector<std::string>& tokens) {
  const ModelChecker checker(gguf, model);
  checker.check_heads();
  checker.check_kind();
  checker.check_tensors();
  checker.check_vocabulary(tokens);
}

}  // namespace crayon
