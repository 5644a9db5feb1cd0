#include "crayon/formats/adapter_file.h"

#include "tests/corrupt/support.h"

namespace crayon {
namespace {

using test::expect_error;
using test::golden;
using test::ramp_values;
using test::small_adapter;
using ::testing::FloatNear;
using ::testing::Pointwise;

/// scale * B * A, the slow way.
std::vector<float> dense(const LoraTensor& t) {
  std::vector<float> delta(t.b.rows * t.a.cols);
  for (std::size_t i = 0; i < t.b.rows; ++i) {
    for (std::size_t j = 0; j < t.a.cols; ++j) {
      double sum = 0;
      for (std::size_t k = 0; k < t.rank(); ++k) sum += double{t.b.at(i, k)} * t.a.at(k, j);
      delta[i * t.a.cols + j] = static_cast<float>(sum * t.scale);
    }
  }
  return delta;
}

Adapter through_file(const Adapter& adapter, TensorType type) {
  AdapterFileOptions options;
  options.type = type;
  return adapter_from_gguf(Gguf::parse(adapter_to_gguf(adapter, options), "file"));
}

TEST(AdapterFile, ReadsALoraOfAnotherToolWithItsScaleAndShapes) {
  const Adapter adapter = adapter_from_gguf(Gguf::open(golden("lora.gguf")));
  ASSERT_EQ(adapter.tensors.size(), 4u);
  EXPECT_EQ(adapter.base_id, "");
  const LoraTensor& q = adapter.tensors[0];
  EXPECT_EQ(q.name, "blk.1.attn_q.weight");
  EXPECT_EQ(q.scale, 2.0f) << "alpha 4 at rank 2";
  EXPECT_EQ(q.a.rows, 2u);
  EXPECT_EQ(q.a.cols, 32u);
  EXPECT_EQ(q.b.rows, 6u);
  EXPECT_EQ(q.a.data, ramp_values(64));
  EXPECT_EQ(q.b.data, ramp_values(12));
}

TEST(AdapterFile, KeepsTheDeltaOfAdaptersOfMixedRanksAndScales) {
  Adapter adapter = small_adapter(1, 2);
  adapter.tensors[1] = small_adapter(5, 5).tensors[1];
  const Adapter got = through_file(adapter, TensorType::F32);
  ASSERT_EQ(got.tensors.size(), 2u);
  EXPECT_EQ(got.base_id, adapter.base_id);
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(got.tensors[i].rank(), adapter.tensors[i].rank()) << "what fills up is dropped";
    EXPECT_EQ(got.tensors[i].scale, 1.0f);
    EXPECT_THAT(dense(got.tensors[i]), Pointwise(FloatNear(1e-5f), dense(adapter.tensors[i])));
  }
}

TEST(AdapterFile, RanksAreFilledUpWithZerosWhereThatIsFaster) {
  for (const std::size_t rank : {1, 16, 17, 24, 48}) {
    const Adapter adapter = small_adapter(5, rank);
    for (const TensorType type :
         {TensorType::F32, TensorType::F16, TensorType::BF16, TensorType::Q8}) {
      const Adapter own = through_file(adapter, type);
      AdapterFileOptions options;
      options.type = type;
      options.fill_rank = true;
      const Gguf file = Gguf::parse(adapter_to_gguf(adapter, options), "file");
      const Adapter filled = adapter_from_gguf(file);
      ASSERT_EQ(filled.tensors.size(), own.tensors.size());
      for (std::size_t i = 0; i < own.tensors.size(); ++i) {
        const std::uint64_t want = rank <= 16 ? rank : rank <= 32 ? 32 : 48;
        EXPECT_EQ(file.tensors()[2 * i].shape[0], want);
        EXPECT_EQ(filled.tensors[i].rank(), rank) << "the zeros are dropped again";
        EXPECT_EQ(filled.tensors[i].scale, 1.0f);
        EXPECT_EQ(filled.tensors[i].a.data, own.tensors[i].a.data);
        EXPECT_EQ(filled.tensors[i].b.data, own.tensors[i].b.data) << "rank 24 is no Q8_0, 32 is";
      }
    }
  }
}

/// B begins as zeros where a LoRA is trained; so may its last column.
TEST(AdapterFile, ReadingDropsNoRankThatHoldsANumber) {
  Adapter adapter = small_adapter(7, 3);
  for (LoraTensor& tensor : adapter.tensors) std::ranges::fill(tensor.b.data, 0.0f);
  EXPECT_EQ(through_file(adapter, TensorType::F32).tensors[0].rank(), 3u);
  for (LoraTensor& tensor : adapter.tensors) std::ranges::fill(tensor.a.data, 0.0f);
  EXPECT_EQ(through_file(adapter, TensorType::F32).tensors[0].rank(), 1u);
}

TEST(AdapterFile, HalvesKeepTheDeltaToThreeDigitsHoweverSmallOrLargeBIs) {
  for (const float factor : {1e-7f, 1.0f, 1e5f}) {
    Adapter adapter = small_adapter(1);
    for (float& v : adapter.tensors[0].b.data) v *= factor;
    const auto want = dense(adapter.tensors[0]);
    const auto got = dense(through_file(adapter, TensorType::F16).tensors[0]);
    EXPECT_THAT(got, Pointwise(FloatNear(4e-3f * factor), want)) << factor;
  }
}

TEST(AdapterFile, Q8FallsBackToHalvesWhereRowsDoNotFit) {
  AdapterFileOptions options;
  options.type = TensorType::Q8;
  Adapter adapter;
  adapter.tensors.push_back(
      {"blk.0.a.weight", test::random_matrix(4, 64, 1), test::random_matrix(8, 4, 2), 1.0f});
  const Gguf gguf = Gguf::parse(adapter_to_gguf(adapter, options), "file");
  EXPECT_EQ(gguf.find("blk.0.a.weight.lora_a")->ggml_type, 8u);
  EXPECT_EQ(gguf.find("blk.0.a.weight.lora_b")->ggml_type, 1u);
}

TEST(AdapterFile, WritesTheKeysThatLlamaCppAsksFor) {
  AdapterFileOptions options;
  options.architecture = "qwen2";
  options.metadata["crayon.extra"] = std::string("kept");
  const Gguf gguf = Gguf::parse(adapter_to_gguf(small_adapter(1, 3), options), "file");
  EXPECT_EQ(gguf.text("general.type"), "adapter");
  EXPECT_EQ(gguf.text("adapter.type"), "lora");
  EXPECT_EQ(gguf.text("general.architecture"), "qwen2");
  EXPECT_EQ(std::get<float>(gguf.metadata().at("adapter.lora.alpha")), 3.0f);
  EXPECT_EQ(gguf.text("crayon.extra"), "kept");
  EXPECT_EQ(gguf.find("blk.1.attn_q.weight.lora_b")->shape, (std::vector<std::uint64_t>{8, 3}));
}

TEST(AdapterFile, RefusesToWriteNumbersThatAreNotFinite) {
  Adapter adapter = small_adapter(1);
  adapter.tensors[0].a.data[3] = NAN;
  expect_error([&] { (void)adapter_to_gguf(adapter, {}); }, ErrorCode::InvalidArgument,
               "'blk.1.attn_q.weight'");
  adapter = small_adapter(1);
  adapter.tensors[0].b = Matrix(8, 3);
  expect_error([&] { (void)adapter_to_gguf(adapter, {}); }, ErrorCode::InvalidArgument,
               "A [2, 8] and B [8, 3]");
}

/// A LoRA of one pair with the given header and names; every number 0.
std::vector<std::byte> lora(const std::function<void(GgufWriter&)>& change,
                            const std::string& a = "w.lora_a", const std::string& b = "w.lora_b",
                            std::vector<std::uint64_t> a_shape = {2, 4}) {
  GgufWriter writer;
  writer.set("general.type", std::string("adapter"));
  writer.set("general.architecture", std::string("llama"));
  writer.set("adapter.type", std::string("lora"));
  writer.set("adapter.lora.alpha", 2.0f);
  change(writer);
  std::uint64_t items = 1;
  for (const auto dim : a_shape) items *= dim;
  writer.add(a, a_shape, TensorType::F32, std::vector<float>(items));
  writer.add(b, {3, 2}, TensorType::F32, std::vector<float>(6));
  return writer.finish();
}

TEST(AdapterFile, RefusesWhatIsNoPlainLora) {
  const auto none = [](GgufWriter&) {};
  const auto text = [](const char* key, const char* value) {
    return [=](GgufWriter& w) { w.set(key, std::string(value)); };
  };
  struct Case {
    std::vector<std::byte> bytes;
    ErrorCode code;
    const char* part;
  };
  const std::vector<Case> cases{
      {lora(text("general.type", "model")), ErrorCode::CorruptFile,
       "is 'model', expected 'adapter'"},
      {lora(text("adapter.type", "dora")), ErrorCode::CorruptFile, "is 'dora', expected 'lora'"},
      {lora(text("adapter.lora.alpha", "2")), ErrorCode::CorruptFile, "not a finite float32"},
      {lora([](GgufWriter& w) { w.set("adapter.lora.alpha", 2.0); }), ErrorCode::CorruptFile,
       "not a finite float32"},
      {lora([](GgufWriter& w) { w.set("adapter.lora.alpha", NAN); }), ErrorCode::CorruptFile,
       "not a finite float32"},
      {lora([](GgufWriter& w) { w.set_i32_array("adapter.alora.invocation_tokens", {1}); }),
       ErrorCode::Unsupported, "activated LoRA"},
      {lora(none, "w.lora_a", "v.lora_b"), ErrorCode::CorruptFile, "lacks its .lora_"},
      {lora(none, "w.lora_x"), ErrorCode::CorruptFile, "'w.lora_x' is no part of a LoRA"},
      {lora(none, ".lora_a", ".lora_b"), ErrorCode::CorruptFile, "no part of a LoRA"},
      {lora(none, "token_embd.weight.lora_a", "token_embd.weight.lora_b"), ErrorCode::Unsupported,
       "token embeddings"},
      {lora(none, "w.lora_a", "w.lora_b", {1, 4}), ErrorCode::CorruptFile, "A [1, 4] and B [3, 2]"},
      {lora(none, "w.lora_a", "w.lora_b", {2, 0}), ErrorCode::CorruptFile, "expected a matrix"},
      {lora(none, "w.lora_a", "w.lora_b", {2, 2, 2}), ErrorCode::CorruptFile, "expected a matrix"},
  };
  for (const Case& c : cases) {
    expect_error([&] { (void)adapter_from_gguf(Gguf::parse(c.bytes, "x.gguf")); }, c.code, c.part);
  }
}

TEST(AdapterFile, ChecksEachShapeAgainstTheModel) {
  GgufWriter writer;
  writer.add("blk.1.attn_q.weight", {8, 8}, TensorType::F32, std::vector<float>(64));
  writer.add("blk.2.ffn_up.weight", {16, 8}, TensorType::F32, std::vector<float>(128));
  const Gguf model = Gguf::parse(writer.finish(), "model.gguf");
  check_fits_model(small_adapter(1), model, "a.gguf");

  Adapter other = small_adapter(1);
  other.tensors[0].a = Matrix(2, 9);
  expect_error([&] { check_fits_model(other, model, "a.gguf"); }, ErrorCode::Incompatible,
               "A [2, 9] and B [8, 2], but model model.gguf needs A [r, 8]");
  other.tensors[0].name = "blk.7.attn_q.weight";
  expect_error([&] { check_fits_model(other, model, "a.gguf"); }, ErrorCode::Incompatible,
               "no such matrix");
}

}  // namespace
}  // namespace crayon
