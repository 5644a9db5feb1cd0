#include "crayon/formats/model_file.h"

#include <array>

#include "crayon/base/sha256.h"
#include "crayon/formats/internal/check_model.h"
#include "crayon/formats/internal/hash_cache.h"
#include "crayon/formats/internal/messages.h"

namespace crayon {
namespace {

constexpr std::array<std::string_view, 2> kArchitectures{"llama", "qwen2"};
constexpr std::uint64_t kMostWidth = 1 << 24;

/// A size of the model: 1 to `most`.
int size_of(const Gguf& gguf, const std::string& key, std::uint64_t most) {
  const std::uint64_t n = gguf.number(key);
  if (n < 1 || n > most) {
    throw corrupt(gguf.file(), "key {} is {}, expected 1 to {}", in_quotes(key), n, most);
  }
  return static_cast<int>(n);
}

std::string hash_vocabulary(const std::vector<std::string>& tokens) {
  Sha256 hash;
  for (const std::string& token : tokens) {
    const std::span text(token.c_str(), token.size() + 1);  // with its zero byte
    hash.update(std::as_bytes(text));
  }
  return hash.hex();
}

std::string architecture_of(const Gguf& gguf) {
  if (gguf.has("general.type") && gguf.text("general.type") == "adapter") {
    throw file_error(ErrorCode::InvalidArgument, gguf.file(),
                     "is an adapter, expected a model; give the base model's GGUF");
  }
  const std::string architecture = gguf.text("general.architecture");
  check_architecture(architecture, gguf.file());
  return architecture;
}

}  // namespace

void check_architecture(const std::string& architecture, const std::string& where) {
  for (const auto known : kArchitectures) {
    if (architecture == known) return;
  }
  throw file_error(ErrorCode::Unsupported, where,
                   "has architecture {}, expected one of {}; use a model of those",
                   in_quotes(architecture), fmt::join(kArchitectures, ", "));
}

BaseModel describe_model(const Gguf& gguf) {
  BaseModel model;
  model.architecture = architecture_of(gguf);
  if (gguf.has("split.count") && gguf.number("split.count") > 1) {
    throw file_error(ErrorCode::Unsupported, gguf.file(),
                     "is one part of a split model, expected a whole one; merge the parts with "
                     "llama-gguf-split --merge");
  }
  model.name = gguf.has("general.name") ? gguf.text("general.name")
                                        : std::filesystem::path(gguf.file()).filename().string();
  const auto size = [&](const char* key, std::uint64_t most) {
    return size_of(gguf, model.architecture + "." + key, most);
  };
  model.n_layers = size("block_count", kMostModelLayers);
  model.d_model = size("embedding_length", kMostWidth);
  model.n_heads = size("attention.head_count", kMostWidth);
  model.n_kv_heads = gguf.has(model.architecture + ".attention.head_count_kv")
                         ? size("attention.head_count_kv", kMostWidth)
                         : model.n_heads;
  model.d_ff = size("feed_forward_length", kMostWidth);
  const auto tokens = gguf.texts("tokenizer.ggml.tokens");
  if (tokens.empty()) throw corrupt(gguf.file(), "has an empty vocabulary");
  model.n_vocab = static_cast<int>(tokens.size());
  model.vocab_sha256 = hash_vocabulary(tokens);
  check_model(gguf, model, tokens);
  return model;
}

BaseModel describe_model(const std::filesystem::path& path, bool with_hash) {
  const Gguf gguf = Gguf::open(path);
  BaseModel model = describe_model(gguf);
  if (with_hash) model.sha256 = cached_sha256(path);
  return model;
}

}  // namespace crayon
