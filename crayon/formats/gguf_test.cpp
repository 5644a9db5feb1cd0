#include "crayon/formats/gguf.h"

#include "tests/corrupt/support.h"

namespace crayon {
namespace {

using test::bytes_of;
using test::expect_error;
using test::golden;
using test::ramp_values;
using ::testing::ElementsAre;

TEST(Gguf, ReadsEveryKindOfMetadataThatAnotherToolWrote) {
  const Gguf gguf = Gguf::open(golden("model.gguf"));
  EXPECT_EQ(gguf.text("general.name"), "golden");
  EXPECT_EQ(gguf.number("test.u8"), 200u);
  EXPECT_EQ(gguf.number("test.u16"), 60000u);
  EXPECT_EQ(gguf.number("test.u32"), 4000000000u);
  EXPECT_EQ(gguf.number("test.u64"), (std::uint64_t{1} << 63) + 1);
  EXPECT_EQ(gguf.real("test.i8"), -7);
  EXPECT_EQ(gguf.real("test.i16"), -30000);
  EXPECT_EQ(gguf.real("test.i32"), -2e9);
  EXPECT_EQ(std::get<std::int64_t>(gguf.metadata().at("test.i64")), -(std::int64_t{1} << 62));
  EXPECT_EQ(gguf.real("test.f32"), 0.5);
  EXPECT_EQ(gguf.real("test.f64"), 0.1);
  EXPECT_TRUE(std::get<bool>(gguf.metadata().at("test.bool")));
  EXPECT_THAT(gguf.texts("tokenizer.ggml.tokens"), ElementsAre("a", "b", "", "\u00e9", "<|end|>"));
  EXPECT_THAT(gguf.floats("tokenizer.ggml.scores"), ElementsAre(0.0f, -1.5f, 2.0f, 0.25f, 0.0f));
  const auto& bools = std::get<GgufArray>(gguf.metadata().at("test.bools"));
  EXPECT_THAT(std::get<std::vector<std::uint64_t>>(bools), ElementsAre(1u, 0u));
}

TEST(Gguf, TurnsShapesRoundAndKnowsTheBytesOfBlockTypes) {
  const Gguf gguf = Gguf::open(golden("model.gguf"));
  const GgufTensor* q4_1 = gguf.find("blk.0.attn_k.weight");
  ASSERT_NE(q4_1, nullptr);
  EXPECT_THAT(q4_1->shape, ElementsAre(32u, 64u));
  EXPECT_EQ(q4_1->bytes, 32u * 64 / 32 * 20);
  EXPECT_EQ(gguf.find("blk.0.attn_q.weight")->bytes, 64u * 64 / 32 * 18);
  EXPECT_EQ(gguf.find("blk.0.ffn_up.weight")->bytes, 96u * 64 / 32 * 22);
  EXPECT_EQ(gguf.find("none"), nullptr);
}

TEST(Gguf, ReadsTheNumbersOfEachReadableType) {
  const Gguf gguf = Gguf::open(golden("lora.gguf"));
  const auto want = ramp_values(64);
  for (const char* exact : {"attn_q", "attn_v", "ffn_down"}) {
    const auto* tensor = gguf.find(std::string("blk.1.") + exact + ".weight.lora_a");
    ASSERT_NE(tensor, nullptr) << exact;
    EXPECT_EQ(gguf.read_floats(*tensor), want) << exact;
  }
  const auto q8 = gguf.read_floats(*gguf.find("blk.1.ffn_up.weight.lora_a"));
  EXPECT_THAT(q8, ::testing::Pointwise(::testing::FloatNear(0.5f / 127), want));
}

TEST(Gguf, MemoryAndFileGiveTheSame) {
  const Gguf from_file = Gguf::open(golden("lora.gguf"));
  const Gguf from_memory = Gguf::parse(read_file(golden("lora.gguf")), "memory");
  EXPECT_EQ(from_file.metadata(), from_memory.metadata());
  ASSERT_EQ(from_file.tensors().size(), from_memory.tensors().size());
  for (std::size_t i = 0; i < from_file.tensors().size(); ++i) {
    EXPECT_EQ(from_file.read_floats(from_file.tensors()[i]),
              from_memory.read_floats(from_memory.tensors()[i]));
  }
}

TEST(Gguf, RefusesToReadTheNumbersOfABlockTypeAndNamesIt) {
  const Gguf gguf = Gguf::open(golden("model.gguf"));
  expect_error([&] { (void)gguf.read_floats(*gguf.find("blk.0.attn_q.weight")); },
               ErrorCode::Unsupported, "number type Q4_0");
}

TEST(Gguf, NamesTheKeyThatIsMissingOrOfAnotherKind) {
  const Gguf gguf = Gguf::open(golden("model.gguf"));
  expect_error([&] { (void)gguf.text("no.such"); }, ErrorCode::CorruptFile, "'no.such'");
  expect_error([&] { (void)gguf.text("test.u8"); }, ErrorCode::CorruptFile, "expected a text");
  expect_error([&] { (void)gguf.number("test.i8"); }, ErrorCode::CorruptFile, "at least 0");
  expect_error([&] { (void)gguf.real("general.name"); }, ErrorCode::CorruptFile, "a number");
  expect_error([&] { (void)gguf.floats("tokenizer.ggml.tokens"); }, ErrorCode::CorruptFile,
               "floating-point");
  expect_error([&] { (void)gguf.texts("general.name"); }, ErrorCode::CorruptFile, "array of texts");
}

TEST(Gguf, SaysThatAFileIsNotThereOrAFolder) {
  expect_error([] { (void)Gguf::open("/no/such/file.gguf"); }, ErrorCode::NotFound, "file.gguf");
  expect_error([] { (void)Gguf::open("/tmp"); }, ErrorCode::InvalidArgument, "is a folder");
}

TEST(GgufWriter, WhatItWritesReadsBackBitForBit) {
  GgufWriter writer;
  writer.set("b", true);
  writer.set("i", std::int64_t{-5});
  writer.set("u", ~std::uint64_t{0});
  writer.set("f", 0.1f);
  writer.set("d", 0.1);
  writer.set("s", std::string("text \0 with zero", 16));
  writer.set("ai", GgufArray(std::vector<std::int64_t>{-1, 2}));
  writer.set("au", GgufArray(std::vector<std::uint64_t>{1, 2}));
  writer.set("af", GgufArray(std::vector<float>{}));
  writer.set("as", GgufArray(std::vector<std::string>{"", "x"}));
  writer.set_u32("n", 7);
  writer.set_i32_array("t", {1, -3});
  const auto values = ramp_values(6);
  writer.add("m", {2, 3}, TensorType::F32, values);
  const Gguf gguf = Gguf::parse(writer.finish(), "written");
  EXPECT_EQ(std::get<bool>(gguf.metadata().at("b")), true);
  EXPECT_EQ(std::get<std::int64_t>(gguf.metadata().at("i")), -5);
  EXPECT_EQ(gguf.number("u"), ~std::uint64_t{0});
  EXPECT_EQ(std::get<float>(gguf.metadata().at("f")), 0.1f);
  EXPECT_EQ(std::get<double>(gguf.metadata().at("d")), 0.1);
  EXPECT_EQ(gguf.text("s").size(), 16u);
  EXPECT_THAT(gguf.texts("as"), ElementsAre("", "x"));
  EXPECT_TRUE(gguf.floats("af").empty());
  EXPECT_EQ(gguf.number("n"), 7u);
  EXPECT_EQ(gguf.metadata().at("t"), GgufValue(GgufArray(std::vector<std::int64_t>{1, -3})));
  EXPECT_EQ(gguf.read_floats(*gguf.find("m")), values);
}

TEST(GgufWriter, TheArchitectureComesFirstAndALaterValueReplacesAnEarlierOne) {
  GgufWriter writer;
  writer.set("a.key", std::int64_t{1});
  writer.set("general.architecture", std::string("llama"));
  writer.set_u32("a.key", 2);
  const auto bytes = writer.finish();
  const std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  EXPECT_LT(text.find("general.architecture"), text.find("a.key"));
  EXPECT_EQ(Gguf::parse(bytes, "x").number("a.key"), 2u);
}

TEST(GgufWriter, Q8RoundsToHalfAStepOfEachBlock) {
  auto values = ramp_values(128);
  for (std::size_t i = 64; i < 96; ++i) values[i] = 0;
  GgufWriter writer;
  writer.add("m", {2, 64}, TensorType::Q8, values);
  const Gguf gguf = Gguf::parse(writer.finish(), "x");
  EXPECT_EQ(gguf.tensors()[0].bytes, 4u * 34);
  EXPECT_THAT(gguf.read_floats(gguf.tensors()[0]),
              ::testing::Pointwise(::testing::FloatNear(0.51f / 127), values));
}

TEST(GgufWriter, RefusesWhatWouldNotBeAFile) {
  GgufWriter writer;
  const auto values = ramp_values(6);
  writer.add("m", {6}, TensorType::F16, values);
  const auto refuses = [&](const std::function<void()>& call, const char* part) {
    expect_error(call, ErrorCode::InvalidArgument, part);
  };
  refuses([&] { writer.add("m", {6}, TensorType::F16, values); }, "added twice");
  refuses([&] { writer.add("n", {7}, TensorType::F16, values); }, "needs 7 numbers");
  refuses([&] { writer.add("n", {6}, TensorType::Q8, values); }, "multiple of 32");
  refuses([&] { writer.add(std::string(64, 'x'), {6}, TensorType::F32, values); }, "64 bytes");
  refuses([&] { writer.set("", std::int64_t{1}); }, "cannot be set");
  refuses([&] { (void)parse_tensor_type("q4_0"); }, "expected f32, f16, bf16 or q8_0");
}

TEST(TensorTypes, NamesReadBack) {
  for (const auto type : {TensorType::F32, TensorType::F16, TensorType::BF16, TensorType::Q8}) {
    EXPECT_EQ(parse_tensor_type(to_string(type)), type);
  }
}

}  // namespace
}  // namespace crayon
