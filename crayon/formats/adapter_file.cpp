#include "crayon/formats/adapter_file.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "crayon/formats/internal/ggml_types.h"
#include "crayon/formats/internal/messages.h"

namespace crayon {
namespace {

constexpr std::string_view kSuffixA = ".lora_a";
constexpr std::string_view kSuffixB = ".lora_b";
constexpr std::size_t kFastRanks = 16;
constexpr float kLeastGoodHalf = 1.0f / 256;  ///< Below this, a half loses more than its last bits.
constexpr float kMostGoodHalf = 4096.0f;

/// A and B of one weight as they go into a file: rank R, scale 1.
struct Factors {
  std::vector<float> a;  ///< [R, d_in]
  std::vector<float> b;  ///< [d_out, R]
};

float largest(const std::vector<float>& values) {
  float most = 0;
  for (const float v : values) most = std::max(most, std::fabs(v));
  return most;
}

/// Moves a power of two (so nothing is rounded) from B to A when B would leave the range where a
/// half is precise.
void balance(Factors& factors) {
  const float b = largest(factors.b);
  const float a = largest(factors.a);
  if (b == 0 || a == 0 || (b >= kLeastGoodHalf && b <= kMostGoodHalf)) return;
  const int shift = (std::ilogb(a) - std::ilogb(b)) / 2;
  for (float& v : factors.b) v = std::ldexp(v, shift);
  for (float& v : factors.a) v = std::ldexp(v, -shift);
}

Factors factors_of(const LoraTensor& tensor, std::size_t rank) {
  const std::size_t own = tensor.rank();
  Factors result{std::vector<float>(rank * tensor.a.cols),
                 std::vector<float>(tensor.b.rows * rank)};
  std::copy(tensor.a.data.begin(), tensor.a.data.end(), result.a.begin());
  for (std::size_t row = 0; row < tensor.b.rows; ++row) {
    for (std::size_t k = 0; k < own; ++k)
      result.b[row * rank + k] = tensor.scale * tensor.b.at(row, k);
  }
  return result;
}

TensorType type_for_rows(TensorType wanted, std::size_t row) {
  return wanted == TensorType::Q8 && row % kQ8Items != 0 ? TensorType::F16 : wanted;
}

void check_finite(const std::string& tensor, const std::vector<float>& values, TensorType type) {
  const bool small = type == TensorType::F16 || type == TensorType::Q8;
  const float most = small ? 65504.0f * (type == TensorType::Q8 ? 127.0f : 1.0f) : INFINITY;
  for (const float v : values) {
    if (!std::isfinite(v) || std::fabs(v) > most) {
      throw Error(ErrorCode::InvalidArgument,
                  fmt::format("adapter tensor {}: holds {}, expected finite numbers that fit {}; "
                              "write it as f32, or train it anew",
                              in_quotes(tensor), v, to_string(type)));
    }
  }
}

void check_header(const Gguf& gguf) {
  const auto expect = [&](const char* key, const char* wanted) {
    const std::string found = gguf.text(key);
    if (found != wanted) {
      throw corrupt(gguf.file(), "is no LoRA adapter: {} is {}, expected '{}'", key,
                    in_quotes(found), wanted);
    }
  };
  expect("general.type", "adapter");
  expect("adapter.type", "lora");
  (void)gguf.text("general.architecture");
  if (gguf.has("adapter.alora.invocation_tokens")) {
    throw file_error(ErrorCode::Unsupported, gguf.file(),
                     "is an activated LoRA (adapter.alora.invocation_tokens), expected a plain "
                     "one; train a plain LoRA");
  }
}

/// llama.cpp aborts on an alpha that is not float32, so nothing else may pass.
float alpha_of(const Gguf& gguf) {
  const auto found = gguf.metadata().find("adapter.lora.alpha");
  if (found == gguf.metadata().end()) return 0;
  const auto* alpha = std::get_if<float>(&found->second);
  if (alpha == nullptr || !std::isfinite(*alpha)) {
    throw corrupt(gguf.file(), "adapter.lora.alpha is not a finite float32");
  }
  return *alpha;
}

Matrix read_matrix(const Gguf& gguf, const GgufTensor& tensor) {
  if (tensor.shape.size() != 2 || tensor.bytes == 0) {
    throw corrupt(gguf.file(), "tensor {} has shape [{}], expected a matrix",
                  in_quotes(tensor.name), fmt::join(tensor.shape, ", "));
  }
  Matrix matrix;
  matrix.rows = tensor.shape[0];
  matrix.cols = tensor.shape[1];
  matrix.data = gguf.read_floats(tensor);
  for (const float v : matrix.data) {
    if (!std::isfinite(v)) {
      throw corrupt(gguf.file(), "tensor {} holds {}, expected finite numbers",
                    in_quotes(tensor.name), v);
    }
  }
  return matrix;
}

struct Pair {
  const GgufTensor* a = nullptr;
  const GgufTensor* b = nullptr;
};

std::map<std::string, Pair> pairs_of(const Gguf& gguf) {
  std::map<std::string, Pair> pairs;
  for (const GgufTensor& tensor : gguf.tensors()) {
    const std::string& name = tensor.name;
    const auto base = [&] { return name.substr(0, name.size() - kSuffixA.size()); };
    if (name.size() > kSuffixA.size() && name.ends_with(kSuffixA)) {
      pairs[base()].a = &tensor;
    } else if (name.size() > kSuffixB.size() && name.ends_with(kSuffixB)) {
      pairs[base()].b = &tensor;
    } else {
      throw corrupt(gguf.file(),
                    "tensor {} is no part of a LoRA, expected names that end in {} or {}",
                    in_quotes(name), kSuffixA, kSuffixB);
    }
  }
  return pairs;
}

/// Drops what a file's ranks were filled up with: last ranks that are 0 in A and in B.
void drop_filling(LoraTensor& tensor) {
  const auto is_empty = [&](std::size_t k) {
    for (std::size_t j = 0; j < tensor.a.cols; ++j) {
      if (tensor.a.at(k, j) != 0) return false;
    }
    for (std::size_t i = 0; i < tensor.b.rows; ++i) {
      if (tensor.b.at(i, k) != 0) return false;
    }
    return true;
  };
  std::size_t rank = tensor.rank();
  while (rank > 1 && is_empty(rank - 1)) --rank;
  if (rank == tensor.rank()) return;
  Matrix b(tensor.b.rows, rank);
  for (std::size_t i = 0; i < b.rows; ++i) {
    for (std::size_t k = 0; k < rank; ++k) b.at(i, k) = tensor.b.at(i, k);
  }
  tensor.b = std::move(b);
  tensor.a.data.resize(rank * tensor.a.cols);
  tensor.a.rows = rank;
}

LoraTensor read_pair(const Gguf& gguf, const std::string& name, const Pair& pair, float alpha) {
  if (pair.a == nullptr || pair.b == nullptr) {
    throw corrupt(gguf.file(), "weight {} lacks its {}", in_quotes(name),
                  pair.a == nullptr ? kSuffixA : kSuffixB);
  }
  if (name.find("token_embd") != std::string::npos) {
    throw file_error(ErrorCode::Unsupported, gguf.file(),
                     "adapts the token embeddings ({}), expected matrices of blocks; train without "
                     "them",
                     in_quotes(name));
  }
  LoraTensor tensor{name, read_matrix(gguf, *pair.a), read_matrix(gguf, *pair.b)};
  if (tensor.a.rows != tensor.b.cols) {
    throw corrupt(gguf.file(), "weight {} has A [{}, {}] and B [{}, {}], expected one rank in both",
                  in_quotes(name), tensor.a.rows, tensor.a.cols, tensor.b.rows, tensor.b.cols);
  }
  if (alpha != 0) tensor.scale = alpha / static_cast<float>(tensor.rank());
  drop_filling(tensor);
  return tensor;
}

}  // namespace

std::size_t fast_rank(std::size_t rank) {
  return rank <= kFastRanks ? rank : (rank + kFastRanks - 1) / kFastRanks * kFastRanks;
}

std::vector<std::byte> adapter_to_gguf(const Adapter& adapter, const AdapterFileOptions& options) {
  const std::size_t own_rank = std::max<std::size_t>(1, max_rank(adapter));
  const std::size_t rank = options.fill_rank ? fast_rank(own_rank) : own_rank;
  GgufWriter writer;
  for (const auto& [key, value] : options.metadata) writer.set(key, value);
  writer.set("general.architecture", options.architecture);
  writer.set("general.type", std::string("adapter"));
  if (!options.name.empty()) writer.set("general.name", options.name);
  writer.set("adapter.type", std::string("lora"));
  writer.set("adapter.lora.alpha", static_cast<float>(rank));
  writer.set("crayon.base_id", adapter.base_id);
  for (const LoraTensor& tensor : adapter.tensors) {
    if (tensor.a.rows != tensor.b.cols || tensor.a.data.size() != tensor.a.rows * tensor.a.cols ||
        tensor.b.data.size() != tensor.b.rows * tensor.b.cols) {
      throw Error(ErrorCode::InvalidArgument,
                  fmt::format("adapter tensor {}: A [{}, {}] and B [{}, {}] do not match",
                              in_quotes(tensor.name), tensor.a.rows, tensor.a.cols, tensor.b.rows,
                              tensor.b.cols));
    }
    const TensorType a_type = type_for_rows(options.type, tensor.a.cols);
    const TensorType b_type = type_for_rows(options.type, own_rank);
    Factors factors = factors_of(tensor, rank);
    if (a_type != TensorType::F32) balance(factors);
    check_finite(tensor.name, factors.a, a_type);
    check_finite(tensor.name, factors.b, b_type);
    writer.add(tensor.name + std::string(kSuffixA), {rank, tensor.a.cols}, a_type, factors.a);
    writer.add(tensor.name + std::string(kSuffixB), {tensor.b.rows, rank}, b_type, factors.b);
  }
  return writer.finish();
}

Adapter adapter_from_gguf(const Gguf& gguf) {
  check_header(gguf);
  const float alpha = alpha_of(gguf);
  Adapter adapter;
  if (gguf.has("crayon.base_id")) adapter.base_id = gguf.text("crayon.base_id");
  for (const auto& [name, pair] : pairs_of(gguf)) {
    adapter.tensors.push_back(read_pair(gguf, name, pair, alpha));
  }
  return adapter;
}

void check_fits_model(const Adapter& adapter, const Gguf& model, const std::string& file) {
  for (const LoraTensor& tensor : adapter.tensors) {
    const GgufTensor* weight = model.find(tensor.name);
    if (weight == nullptr || weight->shape.size() != 2) {
      throw file_error(ErrorCode::Incompatible, file,
                       "adapts {}, but model {} has no such matrix; use an adapter trained on this "
                       "base, or name its base with --model",
                       in_quotes(tensor.name), model.file());
    }
    const std::uint64_t d_out = weight->shape[0];
    const std::uint64_t d_in = weight->shape[1];
    if (tensor.a.cols != d_in || tensor.b.rows != d_out) {
      throw file_error(ErrorCode::Incompatible, file,
                       "tensor {} has A [{}, {}] and B [{}, {}], but model {} needs A [r, {}] and "
                       "B [{}, r]; use an adapter trained on this base, or name its base with "
                       "--model",
                       in_quotes(tensor.name), tensor.a.rows, tensor.a.cols, tensor.b.rows,
                       tensor.b.cols, model.file(), d_in, d_out);
    }
  }
}

TensorType lora_type(const Gguf& gguf) {
  for (const GgufTensor& tensor : gguf.tensors()) {
    if (!tensor.name.ends_with(kSuffixA)) continue;
    switch (tensor.ggml_type) {  // ggml's own numbers
      case 1:
        return TensorType::F16;
      case 8:
        return TensorType::Q8;
      case 30:
        return TensorType::BF16;
      default:
        return TensorType::F32;
    }
  }
  return TensorType::F32;
}

}  // namespace crayon
