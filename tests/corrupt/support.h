// What the tests of formats and pool share: golden files, values to write, and a builder of GGUF
// bytes that knows nothing of Crayon's writer, so that it can lie.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "crayon/base/error.h"
#include "crayon/base/files.h"
#include "crayon/base/random.h"
#include "crayon/formats/pool_manifest.h"
#include "crayon/formats/task_file.h"

namespace crayon::test {

class ScratchFolder {
 public:
  ScratchFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "crayon-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~ScratchFolder() { std::filesystem::remove_all(path_); }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

inline std::filesystem::path golden(const std::string& name) {
  return std::filesystem::path(CRAYON_SOURCE_DIR) / "tests/golden/formats" / name;
}

inline std::vector<std::byte> bytes_of(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text.data(), text.size()));
  return {bytes.begin(), bytes.end()};
}

/// The values that make_formats.py writes.
inline float ramp(std::size_t i) {
  return static_cast<float>(static_cast<int>((7 * i) % 17) - 8) / 8.0f;
}
inline std::vector<float> ramp_values(std::size_t n) {
  std::vector<float> values(n);
  for (std::size_t i = 0; i < n; ++i) values[i] = ramp(i);
  return values;
}

/// Runs `call` and expects one Error of this code whose message holds `part`.
inline void expect_error(const std::function<void()>& call, ErrorCode code,
                         const std::string& part) {
  try {
    call();
    ADD_FAILURE() << "nothing was thrown; expected: " << part;
  } catch (const Error& error) {
    EXPECT_EQ(info(error.code()).name, info(code).name) << error.what();
    EXPECT_THAT(error.what(), ::testing::HasSubstr(part));
  }
}

/// GGUF bytes, piece by piece. Numbers are little-endian, as in the file.
class GgufBytes {
 public:
  template <typename T>
  GgufBytes& put(T value) {
    return raw({reinterpret_cast<const char*>(&value), sizeof(T)});
  }
  GgufBytes& text(std::string_view text) {
    put(std::uint64_t{text.size()});
    return raw(text);
  }
  GgufBytes& raw(std::string_view text) {
    for (const char c : text) bytes_.push_back(static_cast<std::byte>(c));
    return *this;
  }
  GgufBytes& start(std::uint64_t n_tensors, std::uint64_t n_keys, std::uint32_t version = 3) {
    return raw("GGUF").put(version).put(n_tensors).put(n_keys);
  }
  /// A key with a value of kind `kind`; the value's bytes follow by put().
  GgufBytes& key(std::string_view name, std::uint32_t kind) { return text(name).put(kind); }
  /// A tensor entry; `ne` in ggml's order.
  GgufBytes& tensor(std::string_view name, const std::vector<std::uint64_t>& ne, std::uint32_t type,
                    std::uint64_t offset) {
    text(name).put(static_cast<std::uint32_t>(ne.size()));
    for (const auto n : ne) put(n);
    return put(type).put(offset);
  }
  /// Pads to 32 and adds `n` zero bytes of data.
  GgufBytes& data(std::size_t n) {
    bytes_.resize((bytes_.size() + 31) / 32 * 32 + n);
    return *this;
  }
  [[nodiscard]] const std::vector<std::byte>& bytes() const { return bytes_; }

 private:
  std::vector<std::byte> bytes_;
};

inline Matrix random_matrix(std::size_t rows, std::size_t cols, std::uint64_t seed) {
  Rng rng(seed);
  Matrix matrix(rows, cols);
  for (float& v : matrix.data) v = static_cast<float>(rng.normal());
  return matrix;
}

inline Matrix unit_rows(Matrix matrix) {
  for (std::size_t r = 0; r < matrix.rows; ++r) {
    float norm = 0;
    for (const float v : matrix.row(r)) norm += v * v;
    for (float& v : matrix.row(r)) v /= std::sqrt(norm);
  }
  return matrix;
}

inline BaseModel small_base() {
  BaseModel base;
  base.architecture = "llama";
  base.name = "small";
  base.sha256 = std::string(64, 'a');
  base.n_layers = 3;
  base.d_model = 8;
  base.n_heads = 2;
  base.n_kv_heads = 1;
  base.d_ff = 16;
  base.n_vocab = 10;
  base.vocab_sha256 = std::string(64, 'b');
  return base;
}

/// Two matrices of layers 1 and 2 of small_base().
inline Adapter small_adapter(std::uint64_t seed, std::size_t rank = 2) {
  Adapter adapter;
  adapter.base_id = small_base().id();
  adapter.tensors.push_back({"blk.1.attn_q.weight", random_matrix(rank, 8, seed),
                             random_matrix(8, rank, seed + 1), 0.5f});
  adapter.tensors.push_back({"blk.2.ffn_up.weight", random_matrix(rank, 8, seed + 2),
                             random_matrix(16, rank, seed + 3), 2.0f});
  return adapter;
}

inline Gate small_gate(std::size_t n = 2) {
  Gate gate;
  gate.embedding = {2, Pooling::Mean};
  gate.whitening.mean = random_matrix(1, 8, 11).data;
  gate.whitening.projection = random_matrix(4, 8, 12);
  gate.keys = unit_rows(random_matrix(n, 4, 13));
  gate.reference = unit_rows(random_matrix(5, 4, 14));
  gate.temperature = 0.07f;
  gate.max_tilt = 0.3f;
  return gate;
}

inline Task small_task() {
  TaskInfo info;
  info.name = "my task";
  info.pool_id = "tiny-0123abcd";
  info.base = small_base();
  info.weights = {0.25f, 0.75f};
  info.mode = "lowrank";
  info.rank = 2;
  info.relative_error = 0.125;
  info.n_examples = 3;
  info.kept = "blend+labels";
  info.prompt.system = "Answer.";
  info.prompt.style = PromptStyle::Chat;
  info.embedding = {2, Pooling::Mean};
  info.whitening = small_gate().whitening;
  info.scope_examples = unit_rows(random_matrix(3, 4, 21));
  info.scope.sizes = {4, 8};
  info.scope.quantiles = Matrix(2, 3);
  info.scope.quantiles.data = {0.1f, 0.5f, 1.25f, 0.2f, 0.6f, 1.5f};
  info.head.labels = {3, 5, 0xffffffffffffffffu};
  info.head.bias = {0.5f, -0.25f, 0.0f};
  info.head.probe = random_matrix(3, 5, 22);
  info.head.probe_weight = 0.5f;
  info.calibration = {1.5, -0.25, 40, true};
  info.generic = {1.25, 0.5, 900, true};
  info.server = Calibration{0.5, 2, 30, false};
  info.judged.resize(3);
  info.judged[0] = {.signals = {0.5, 0.25, 0.75}, .right = true};
  info.judged[1] = {.signals = {0.75, 0.5, 0.5}, .server_right = true, .held_out = true};
  info.judged[2] = {.signals = {0.5, 0.0, 1.0}, .right = true, .server_right = false};
  info.recent_scores = {0.1, 0.9};
  info.policy = {true, false};
  return {small_adapter(31), info};
}

}  // namespace crayon::test
