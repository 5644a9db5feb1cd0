// Models whose metadata would end the program inside llama.cpp: each gives one error before.
#include "crayon/formats/gguf.h"
#include "crayon/formats/model_file.h"
#include "tests/corrupt/support.h"

namespace crayon::test {
namespace {

using Texts = std::vector<std::string>;

Texts byte_tokens() {
  Texts tokens;
  for (int byte = 0; byte < 256; ++byte) {
    constexpr const char* kDigits = "0123456789ABCDEF";
    tokens.push_back(std::string("<0x") + kDigits[byte / 16] + kDigits[byte % 16] + ">");
  }
  return tokens;
}

/// A model of 4 heads of 8 numbers, with the vocabulary of SentencePiece.
GgufWriter good_model(const std::string& architecture = "llama") {
  GgufWriter writer;
  const auto set = [&](const char* key, std::uint32_t n) {
    writer.set_u32(architecture + "." + key, n);
  };
  writer.set("general.architecture", architecture);
  set("block_count", 2);
  set("embedding_length", 32);
  set("feed_forward_length", 64);
  set("attention.head_count", 4);
  set("attention.head_count_kv", 2);
  set("rope.dimension_count", 8);
  writer.set(architecture + ".attention.layer_norm_rms_epsilon", 1e-5f);
  writer.set("tokenizer.ggml.model", std::string("llama"));
  writer.set("tokenizer.ggml.tokens", GgufArray(byte_tokens()));
  writer.add("output_norm.weight", {32}, TensorType::F32, std::vector<float>(32, 1.0f));
  writer.add("blk.0.attn_q.weight", {32, 32}, TensorType::F16, std::vector<float>(32 * 32, 1.0f));
  return writer;
}

struct BadModel {
  const char* what;
  std::function<void(GgufWriter&)> change;
  const char* part;
  ErrorCode code = ErrorCode::CorruptFile;
};

std::function<void(GgufWriter&)> with(const char* key, GgufValue value) {
  return [=](GgufWriter& writer) { writer.set(key, value); };
}

/// The vocabulary with one text in place of another.
std::function<void(GgufWriter&)> with_token(std::size_t at, const char* text) {
  Texts tokens = byte_tokens();
  tokens[at] = text;
  return with("tokenizer.ggml.tokens", GgufArray(tokens));
}

void expect_refused(const std::vector<BadModel>& cases) {
  for (const BadModel& bad : cases) {
    SCOPED_TRACE(bad.what);
    GgufWriter writer = good_model();
    bad.change(writer);
    expect_error([&] { (void)describe_model(Gguf::parse(writer.finish(), "bad.gguf")); }, bad.code,
                 bad.part);
  }
}

TEST(CorruptModel, GoodOnesAreTaken) {
  for (const char* architecture : {"llama", "qwen2"}) {
    GgufWriter writer = good_model(architecture);
    writer.set("tokenizer.ggml.token_type", GgufArray(std::vector<std::int64_t>(256, 6)));
    EXPECT_EQ(describe_model(Gguf::parse(writer.finish(), "m")).n_vocab, 256);
  }
  // llama.cpp gives empty tokens names of their own, and takes a byte itself for its token
  Texts tokens = byte_tokens();
  tokens['a'] = "a";
  tokens.insert(tokens.end(), {"", "", "[EMPTY_0]"});
  GgufWriter writer = good_model();
  writer.set("tokenizer.ggml.tokens", GgufArray(tokens));
  EXPECT_EQ(describe_model(Gguf::parse(writer.finish(), "m")).n_vocab, 259);
}

TEST(CorruptModel, ALlamaMayNameTheLengthOfItsKeys) {
  GgufWriter writer = good_model();
  for (const char* key :
       {"attention.key_length", "attention.value_length", "rope.dimension_count"}) {
    writer.set_u32(std::string("llama.") + key, 10);
  }
  EXPECT_EQ(describe_model(Gguf::parse(writer.finish(), "m")).n_heads, 4);
  writer = good_model("qwen2");
  for (const char* key :
       {"attention.key_length", "attention.value_length", "rope.dimension_count"}) {
    writer.set_u32(std::string("qwen2.") + key, 10);
  }
  expect_error([&] { (void)describe_model(Gguf::parse(writer.finish(), "m")); },
               ErrorCode::CorruptFile, "share the embedding evenly");
}

TEST(CorruptModel, BadVocabulariesAreRefused) {
  Texts named = byte_tokens();
  named.insert(named.end(), {"[EMPTY_257]", ""});
  expect_refused({
      {"the same token twice", with_token(7, "<0x06>"), "tokens 6 and 7 are both '<0x06>'"},
      {"the name of an empty token", with("tokenizer.ggml.tokens", GgufArray(named)),
       "tokens 256 and 257 are both '[EMPTY_257]'"},
      {"a byte without a token", with_token(10, "x"), "lacks '<0x0A>', expected a token for each"},
      {"another kind", with("tokenizer.ggml.model", std::string("rwkv")),
       "is 'rwkv', expected one of llama, gpt2", ErrorCode::Unsupported},
      {"split at blanks", with("tokenizer.ggml.pre", std::string("whitespace")), "'whitespace'",
       ErrorCode::Unsupported},
      {"too few scores", with("tokenizer.ggml.scores", GgufArray(std::vector<float>(255))),
       "has 255 entries for 256 tokens"},
      {"too few types", with("tokenizer.ggml.token_type", GgufArray(std::vector<std::int64_t>(9))),
       "has 9 entries for 256 tokens"},
      {"one type", with("tokenizer.ggml.token_type", std::uint64_t{1}), "has 0 entries"},
  });
}

TEST(CorruptModel, BadShapesAreRefused) {
  const auto n = [](const char* key, std::uint64_t value) { return with(key, value); };
  expect_refused({
      {"layers", n("llama.block_count", 513), "is 513, expected 1 to 512"},
      {"heads that do not divide", n("llama.attention.head_count", 6), "32, 6 heads"},
      {"more heads than numbers", n("llama.attention.head_count", 64), "64 heads"},
      {"key-value heads", n("llama.attention.head_count_kv", 3), "4 heads for 3 key-value heads"},
      {"odd keys", n("llama.attention.key_length", 7), "keys of 7 numbers"},
      {"other values", n("llama.attention.value_length", 16), "values of 16"},
      {"other rotation", n("llama.rope.dimension_count", 4), "(4 rotated)"},
      {"rope scaling", with("llama.rope.scaling.type", std::string("cubic")),
       "'cubic', expected one", ErrorCode::Unsupported},
      {"epsilon", with("llama.attention.layer_norm_rms_epsilon", -1.0f),
       "is -1, expected at least"},
      {"no epsilon", with("llama.attention.layer_norm_rms_epsilon", std::nanf("")), "is nan"},
      {"further tokens", n("llama.nextn_predict_layers", 1), "1 layers that predict further",
       ErrorCode::Unsupported},
      {"experts that are not there", n("llama.expert_used_count", 2), "uses 2 of 0 experts"},
      {"experts that are not used", n("llama.expert_count", 8), "uses 0 of 8 experts"},
      {"groups of experts", n("llama.expert_group_count", 2), "in 2 groups"},
  });
}

TEST(CorruptModel, TensorsThatCannotBeMultipliedAreRefused) {
  const auto model_with = [](const std::vector<std::uint64_t>& ne, std::uint32_t type) {
    GgufBytes bytes;
    const auto text = [&](const char* key, const char* value) { bytes.key(key, 8).text(value); };
    const auto number = [&](const char* key, std::uint32_t value) { bytes.key(key, 4).put(value); };
    bytes.start(1, 6);
    text("general.architecture", "llama");
    for (const char* key : {"block_count", "attention.head_count", "feed_forward_length"}) {
      number((std::string("llama.") + key).c_str(), 1);
    }
    number("llama.embedding_length", 2);
    bytes.key("tokenizer.ggml.tokens", 9).put(std::uint32_t{8}).put(std::uint64_t{1}).text("a");
    bytes.tensor("t", ne, type, 0).data(4096);
    return bytes;
  };
  const auto describe = [&](const std::vector<std::uint64_t>& ne, std::uint32_t type) {
    return describe_model(Gguf::parse(model_with(ne, type).bytes(), "m"));
  };
  EXPECT_EQ(describe({32, 2}, 8).n_vocab, 1);
  EXPECT_EQ(describe({32}, 0).n_vocab, 1);
  expect_error([&] { (void)describe({32}, 8); }, ErrorCode::Unsupported,
               "vector 't' has number type Q8_0, expected F32");
  expect_error(
      [&] {
        (void)describe({32, 2}, 26);
      },
      ErrorCode::Unsupported, "matrix 't' has number type I32, expected a type of weights");
}

}  // namespace
}  // namespace crayon::test
