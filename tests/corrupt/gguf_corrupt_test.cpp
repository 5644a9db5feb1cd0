// Broken GGUF files: each gives one error that says where and what, and no broken file gives two.
#include "crayon/formats/adapter_file.h"
#include "crayon/formats/gguf.h"
#include "tests/corrupt/support.h"

namespace crayon::test {
namespace {

constexpr std::uint32_t kU32 = 4, kF32 = 6, kBool = 7, kText = 8, kArray = 9;
constexpr std::uint64_t kHuge = ~std::uint64_t{0};

struct BadGguf {
  const char* what;
  GgufBytes bytes;
  const char* part;
  ErrorCode code = ErrorCode::CorruptFile;
};

/// A file of the given tensors and `data` bytes.
GgufBytes tensors(std::uint64_t n, const std::function<void(GgufBytes&)>& entries,
                  std::size_t data) {
  GgufBytes bytes;
  bytes.start(n, 0);
  entries(bytes);
  return bytes.data(data);
}

std::vector<BadGguf> bad_starts() {
  return {
      {"nothing", GgufBytes(), "starts with '', a GGUF file starts with 'GGUF'"},
      {"another magic", GgufBytes().raw("GGML").start(0, 0), "starts with 'GGML'"},
      {"unprintable magic", GgufBytes().raw("\x01\x02\xff\x7f"), "starts with '?"},
      {"version 1", GgufBytes().start(0, 0, 1), "GGUF version 1, expected 2 or 3",
       ErrorCode::Unsupported},
      {"version 4", GgufBytes().start(0, 0, 4), "GGUF version 4", ErrorCode::Unsupported},
      {"big-endian", GgufBytes().start(0, 0, 0x03000000), "is a big-endian GGUF",
       ErrorCode::Unsupported},
      {"no counts", GgufBytes().raw("GGUF").put(std::uint32_t{3}), "cut short at byte 8"},
      {"too many tensors", GgufBytes().start(kHuge, 0), "claims 18446744073709551615 tensors"},
      {"more tensors than bytes", GgufBytes().start(1, 0),
       "claims 1 tensors, but has 8 bytes left"},
      {"too many keys", GgufBytes().start(0, 1 << 20), "claims 1048576 metadata keys"},
  };
}

std::vector<BadGguf> bad_keys() {
  const auto one = [] { return GgufBytes().start(0, 1); };
  return {
      {"key longer than the file", one().put(kHuge).raw("general.name      "),
       "a key at byte 24 claims 18446744073709551615 bytes"},
      {"empty key", one().key("", kU32).put(std::uint32_t{1}), "has an empty key"},
      {"unknown kind", one().key("k", 13).put(std::uint64_t{0}), "key 'k' has value type 13"},
      {"key twice",
       GgufBytes()
           .start(0, 2)
           .key("k", kU32)
           .put(std::uint32_t{1})
           .key("k", kU32)
           .put(std::uint32_t{1}),
       "key 'k' is there twice"},
      {"value cut", one().key("key", kU32).raw("xy"), "cut short at byte 39: 4 more bytes"},
      {"text longer than the file", one().key("k", kText).put(std::uint64_t{9}).raw("abc"),
       "key 'k' at byte 37 claims 9 bytes, 3 are left"},
      {"bool of 2", one().key("k", kBool).put(std::uint8_t{2}).data(0),
       "has bool 2, expected 0 or 1"},
      {"array of arrays", one().key("k", kArray).put(kArray).put(std::uint64_t{0}),
       "key 'k' is an array of arrays", ErrorCode::Unsupported},
      {"array of an unknown kind",
       one().key("k", kArray).put(std::uint32_t{99}).put(std::uint64_t{0}), "value type 99"},
      {"array longer than the file",
       one().key("k", kArray).put(kU32).put(std::uint64_t{3}).raw("12345678"),
       "key 'k' claims 3 items, but 8 bytes are left"},
      {"array that overflows", one().key("k", kArray).put(kU32).put(kHuge / 2), "key 'k' claims"},
      {"array of texts that are cut",
       one().key("k", kArray).put(kText).put(std::uint64_t{1}).put(kHuge),
       "key 'k' at byte 49 claims"},
      {"alignment of no power", one().key("general.alignment", kU32).put(std::uint32_t{24}),
       "general.alignment is 24, expected a uint32 power of two"},
      {"alignment of 0", one().key("general.alignment", kU32).put(std::uint32_t{0}),
       "is 0, expected"},
      {"alignment of another kind", one().key("general.alignment", kF32).put(32.0f),
       "another type"},
  };
}

std::vector<BadGguf> bad_tensors() {
  const auto one = [](const std::vector<std::uint64_t>& ne, std::uint32_t type,
                      std::uint64_t offset, std::size_t data) {
    return tensors(
        1, [&](GgufBytes& b) { b.tensor("t", ne, type, offset); }, data);
  };
  return {
      {"five dimensions", one({1, 1, 1, 1, 1}, 0, 0, 32), "tensor 't' has 5 dimensions"},
      {"shape overflow", one({1ull << 32, 1ull << 32}, 0, 0, 32), "too large"},
      {"shape over 2^63", one({1ull << 63}, 24, 0, 32), "rows of 9223372036854775808 I8"},
      {"bytes overflow", one({1ull << 62}, 0, 0, 32), "too large"},
      {"unknown type", one({4}, 4, 0, 32), "tensor 't' has ggml type 4", ErrorCode::Unsupported},
      {"type of tomorrow", one({4}, 99, 0, 32), "ggml type 99", ErrorCode::Unsupported},
      {"half a block", one({33}, 8, 0, 64), "rows of 33 Q8_0 numbers, expected a multiple of 32"},
      {"not aligned", one({4}, 0, 16, 64), "starts at data byte 16, expected a multiple of 32"},
      {"past the end", one({9}, 0, 0, 32), "takes data bytes 0 to 36, but the file has 32"},
      {"starts past the end", one({0}, 0, 64, 32), "data bytes 64 to 64"},
      {"offset overflow", one({32}, 0, kHuge - 31, 32), "too large"},
      {"name twice",
       tensors(
           2, [](GgufBytes& b) { b.tensor("t", {4}, 0, 0).tensor("t", {4}, 0, 32); }, 64),
       "tensor 't' is there twice"},
      {"overlap",
       tensors(
           2, [](GgufBytes& b) { b.tensor("a", {16}, 0, 0).tensor("b", {4}, 0, 32); }, 64),
       "tensors 'a' and 'b' overlap at data byte 32"},
      {"same place",
       tensors(
           2, [](GgufBytes& b) { b.tensor("a", {4}, 0, 0).tensor("b", {4}, 0, 0); }, 64),
       "overlap at data byte 0"},
      {"long name",
       tensors(
           1, [](GgufBytes& b) { b.tensor(std::string(64, 'n'), {4}, 0, 0); }, 32),
       "tensor name of 64 bytes, expected 1 to 63"},
      {"no name",
       tensors(
           1, [](GgufBytes& b) { b.tensor("", {4}, 0, 0); }, 32),
       "name of 0 bytes"},
  };
}

void expect_all(const std::vector<BadGguf>& cases) {
  const ScratchFolder scratch;
  for (const BadGguf& bad : cases) {
    SCOPED_TRACE(bad.what);
    expect_error([&] { (void)Gguf::parse(bad.bytes.bytes(), "bad.gguf"); }, bad.code, bad.part);
    const auto file = scratch.path() / "bad.gguf";
    write_atomically(file, bad.bytes.bytes());
    expect_error([&] { (void)Gguf::open(file); }, bad.code, bad.part);
    expect_error([&] { (void)Gguf::open(file); }, bad.code, file.string());
  }
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(scratch.path()), {}), 1)
      << "reading wrote a file";
}

TEST(CorruptGguf, BadStartsAreRefused) { expect_all(bad_starts()); }
TEST(CorruptGguf, BadKeysAreRefused) { expect_all(bad_keys()); }
TEST(CorruptGguf, BadTensorsAreRefused) { expect_all(bad_tensors()); }

TEST(CorruptGguf, WhatTheFormatAllowsIsRead) {
  EXPECT_TRUE(Gguf::parse(GgufBytes().start(0, 0, 2).bytes(), "v2").tensors().empty());
  const auto scalar = tensors(
      1, [](GgufBytes& b) { b.tensor("s", {}, 0, 0); }, 4);
  EXPECT_EQ(Gguf::parse(scalar.bytes(), "scalar").tensors()[0].bytes, 4u);
  const auto gap = tensors(
      2, [](GgufBytes& b) { b.tensor("b", {4}, 0, 64).tensor("a", {4}, 0, 0); }, 80);
  EXPECT_EQ(Gguf::parse(gap.bytes(), "gap").tensors().size(), 2u);
}

TEST(CorruptGguf, LimitsHoldBeforeAnythingIsMade) {
  const auto bytes = read_file(golden("model.gguf"));
  const auto refuses = [&](const GgufLimits& limits, const char* part) {
    expect_error([&] { (void)Gguf::parse(bytes, "m", limits); }, ErrorCode::CorruptFile, part);
  };
  refuses({.max_metadata = 3}, "may have at most 3");
  refuses({.max_tensors = 1}, "may have at most 1");
  refuses({.max_string_bytes = 2}, "at most 2 are taken");
  refuses({.max_array_items = 4}, "at most 4 are taken");
}

/// Every cut of the files of another tool, from memory and (at fewer places) from disk.
TEST(CorruptGguf, EveryCutOfAFileIsRefused) {
  for (const char* name : {"lora.gguf", "model.gguf"}) {
    const auto whole = read_file(golden(name));
    const Gguf good = Gguf::parse(whole, name);
    const auto& last = *std::max_element(
        good.tensors().begin(), good.tensors().end(),
        [](const GgufTensor& a, const GgufTensor& b) { return a.offset < b.offset; });
    std::uint64_t data_bytes = last.offset + last.bytes;
    data_bytes = (data_bytes + 31) / 32 * 32;
    const std::size_t needed =
        whole.size() -
        static_cast<std::size_t>(data_bytes -
                                 (last.offset + last.bytes));  // without the padding at the end
    const ScratchFolder scratch;
    for (std::size_t n = 0; n < needed; ++n) {
      std::vector<std::byte> cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(n));
      if (n % 97 == 0) {
        write_atomically(scratch.path() / "cut", cut);
        EXPECT_THROW((void)Gguf::open(scratch.path() / "cut"), Error) << name << " " << n;
      }
      EXPECT_THROW((void)Gguf::parse(std::move(cut), "cut"), Error) << name << " " << n;
    }
  }
}

TEST(CorruptGguf, AFileCutAfterItWasOpenedGivesAnErrorWhenRead) {
  const ScratchFolder scratch;
  const auto file = scratch.path() / "lora.gguf";
  std::filesystem::copy_file(golden("lora.gguf"), file);
  const Gguf gguf = Gguf::open(file);
  std::filesystem::resize_file(file, 700);
  expect_error([&] { (void)adapter_from_gguf(gguf); }, ErrorCode::CorruptFile, "ends at byte");
}

}  // namespace
}  // namespace crayon::test
