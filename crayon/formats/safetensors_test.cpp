#include "crayon/formats/safetensors.h"

#include "tests/corrupt/support.h"

namespace crayon {
namespace {

using test::expect_error;
using test::golden;
using test::ramp_values;

/// A file with this header and `data` zero bytes.
std::vector<std::byte> file_of(std::string_view header, std::size_t data = 0) {
  test::GgufBytes bytes;
  bytes.text(header).raw(std::string(data, '\0'));
  return bytes.bytes();
}

TEST(Safetensors, ReadsEveryFloatTypeThatAnotherToolWrote) {
  const Safetensors file = read_safetensors(read_file(golden("tensors.safetensors")), "golden");
  EXPECT_EQ(file.metadata.at("made"), "elsewhere");
  EXPECT_EQ(file.tensors.size(), 6u);
  EXPECT_EQ(file.tensors.at("single").shape, (std::vector<std::uint64_t>{2, 3}));
  EXPECT_EQ(file.tensors.at("single").data, ramp_values(6));
  EXPECT_EQ(file.tensors.at("half").data, ramp_values(4));
  EXPECT_EQ(file.tensors.at("double").data, ramp_values(3));
  EXPECT_EQ(file.tensors.at("brain").data, ramp_values(5));
  EXPECT_EQ(file.tensors.at("scalar").data, std::vector<float>{0.25f});
  EXPECT_TRUE(file.tensors.at("scalar").shape.empty());
  EXPECT_TRUE(file.tensors.at("empty").data.empty());
}

TEST(Safetensors, WhatIsWrittenReadsBackBitForBit) {
  Safetensors file;
  file.metadata = {{"a", "1"}, {"b", "\u00e9"}};
  file.tensors["x"] = {{2, 2}, {1.5f, -0.0f, 1e-40f, INFINITY}};
  file.tensors["empty"] = {{3, 0}, {}};
  const auto bytes = write_safetensors(file);
  const Safetensors got = read_safetensors(bytes, "x");
  EXPECT_EQ(got.metadata, file.metadata);
  EXPECT_EQ(got.tensors.at("x").data, file.tensors["x"].data);
  EXPECT_TRUE(std::signbit(got.tensors.at("x").data[1]));
  EXPECT_EQ(got.tensors.at("empty").shape, file.tensors["empty"].shape);
  EXPECT_EQ(write_safetensors(got), bytes);
}

TEST(Safetensors, AnEmptyFileOfTensorsIsAFile) {
  EXPECT_TRUE(read_safetensors(write_safetensors({}), "x").tensors.empty());
}

TEST(Safetensors, RefusesToWriteValuesThatDoNotFillTheirShape) {
  Safetensors file;
  file.tensors["x"] = {{2, 2}, {1, 2, 3}};
  expect_error([&] { (void)write_safetensors(file); }, ErrorCode::InvalidArgument,
               "needs 4 numbers");
}

TEST(Safetensors, RefusesBrokenFiles) {
  struct Case {
    const char* header;
    std::size_t data;
    const char* part;
    ErrorCode code = ErrorCode::CorruptFile;
  };
  const std::vector<Case> cases{
      {"", 0, "is not JSON"},
      {"[]", 0, "the header is an array"},
      {"{\"a\": 1}", 0, "'a.' is a number, expected an object"},
      {"{\"a\": {}}", 0, "key 'a.dtype' is missing"},
      {R"({"a": {"dtype": "I64", "shape": [], "data_offsets": [0, 8]}})", 8, "dtype 'I64'",
       ErrorCode::Unsupported},
      {R"({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 8]}})", 8,
       "has 8 bytes, its shape [1] needs 4"},
      {R"({"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}})", 8,
       "starts at data byte 4, expected 0"},
      {R"({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}})", 8,
       "has 8 data bytes, its tensors take 4"},
      {R"({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}})", 3,
       "within 3 data bytes"},
      {R"({"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 0]}})", 8,
       "data_offsets [4, 0]"},
      {R"({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0]}})", 8, "data_offsets [0]"},
      {R"({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]},
           "b": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}})",
       4, "starts at data byte 0, expected 4"},
      {R"({"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}})", 4, "array of sizes"},
      {R"({"a": {"dtype": "F32", "shape": "x", "data_offsets": [0, 4]}})", 4, "array of sizes"},
      {R"({"a": {"dtype": "F32", "shape": [4294967296, 4294967296], "data_offsets": [0, 4]}})", 4,
       "too large"},
      {R"({"a": {"dtype": "F32", "shape": [], "data_offsets": [0, 4]},
           "a": {"dtype": "F32", "shape": [], "data_offsets": [0, 4]}})",
       4, "has the key 'a' twice"},
      {R"({"__metadata__": {"a": 1}})", 0, "'__metadata__.a' is '1', expected a text"},
      {R"({"__metadata__": 1})", 0, "expected an object"},
  };
  for (const Case& c : cases) {
    expect_error([&] { (void)read_safetensors(file_of(c.header, c.data), "f"); }, c.code, c.part);
  }
}

TEST(Safetensors, RefusesAHeaderThatIsLargerThanTheFile) {
  test::GgufBytes bytes;
  bytes.put(~std::uint64_t{0}).raw("{}");
  expect_error([&] { (void)read_safetensors(bytes.bytes(), "f"); }, ErrorCode::CorruptFile,
               "claims a header of 18446744073709551615 bytes, 2 are left");
}

TEST(Safetensors, RefusesEveryCutOfAFileOfAnotherTool) {
  const auto whole = read_file(golden("tensors.safetensors"));
  for (std::size_t n = 0; n < whole.size(); ++n) {
    EXPECT_THROW((void)read_safetensors(std::span(whole).first(n), "cut"), Error) << n;
  }
}

}  // namespace
}  // namespace crayon
