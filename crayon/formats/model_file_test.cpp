#include "crayon/formats/model_file.h"

#include <cstdlib>
#include <fstream>

#include "crayon/base/sha256.h"
#include "tests/corrupt/support.h"

namespace crayon {
namespace {

namespace fs = std::filesystem;
using test::expect_error;
using test::golden;
using test::small_base;

/// Points the cache at a folder of its own while it lives.
class ModelFile : public ::testing::Test {
 protected:
  void SetUp() override { ::setenv("CRAYON_CACHE", (scratch_.path() / "cache").c_str(), 1); }
  void TearDown() override { ::unsetenv("CRAYON_CACHE"); }
  fs::path cache_file() const { return scratch_.path() / "cache/hashes.json"; }
  test::ScratchFolder scratch_;
};

TEST_F(ModelFile, DescribesAModelOfAnotherTool) {
  const BaseModel base = describe_model(golden("model.gguf"));
  EXPECT_EQ(base.architecture, "llama");
  EXPECT_EQ(base.name, "golden");
  EXPECT_EQ(base.n_layers, 2);
  EXPECT_EQ(base.d_model, 64);
  EXPECT_EQ(base.n_heads, 4);
  EXPECT_EQ(base.n_kv_heads, 2);
  EXPECT_EQ(base.d_ff, 96);
  EXPECT_EQ(base.n_vocab, 5);
  EXPECT_EQ(base.vocab_sha256, sha256_hex(std::string_view("a\0b\0\0\xc3\xa9\0<|end|>\0", 16)));
  EXPECT_EQ(base.sha256, sha256_file(golden("model.gguf")));
  EXPECT_EQ(base.id(), "llama-2x64-h4.2-ff96-v5-" + base.vocab_sha256.substr(0, 8));
  EXPECT_EQ(describe_model(golden("model.gguf"), false).sha256, "");
}

TEST_F(ModelFile, RemembersTheHashUntilTheFileChanges) {
  const fs::path copy = scratch_.path() / "m.gguf";
  fs::copy_file(golden("model.gguf"), copy);
  const std::string hash = describe_model(copy).sha256;
  ASSERT_TRUE(fs::exists(cache_file()));

  std::string cache = read_text(cache_file());
  cache.replace(cache.find(hash), 64, std::string(64, '0'));
  write_atomically(cache_file(), cache);
  EXPECT_EQ(describe_model(copy).sha256, std::string(64, '0')) << "the cache was not read";

  std::ofstream(copy, std::ios::app) << "more";
  EXPECT_EQ(describe_model(copy).sha256, sha256_file(copy)) << "a changed file kept its old hash";
}

TEST_F(ModelFile, ABrokenCacheIsIgnored) {
  for (const char* broken : {"", "{", "[]", "{\"x\": 1}", "\xff\xfe"}) {
    fs::create_directories(cache_file().parent_path());
    write_atomically(cache_file(), broken);
    EXPECT_EQ(describe_model(golden("model.gguf")).sha256, sha256_file(golden("model.gguf")));
  }
}

TEST_F(ModelFile, AnUnreadableCacheIsIgnored) {
  fs::create_directories(cache_file().parent_path());
  // The kernel says that this file has 4096 bytes, and gives fewer to whoever reads it.
  fs::create_symlink("/sys/kernel/profiling", cache_file());
  EXPECT_EQ(describe_model(golden("model.gguf")).sha256, sha256_file(golden("model.gguf")));
  write_atomically(cache_file(), "{}");
  fs::permissions(cache_file(), fs::perms::none);  // which root may read all the same
  EXPECT_EQ(describe_model(golden("model.gguf")).sha256, sha256_file(golden("model.gguf")));
}

TEST_F(ModelFile, AnUnwritableCacheCostsOnlyTime) {
  ::setenv("CRAYON_CACHE", "/proc/no/cache", 1);
  EXPECT_EQ(describe_model(golden("model.gguf")).sha256, sha256_file(golden("model.gguf")));
}

/// The golden model's keys as a writer, to change one of them.
GgufWriter model_writer() {
  GgufWriter writer;
  writer.set("general.architecture", std::string("qwen2"));
  for (const char* key :
       {"block_count", "embedding_length", "attention.head_count", "feed_forward_length"}) {
    writer.set_u32(std::string("qwen2.") + key, 4);
  }
  writer.set_u32("qwen2.embedding_length", 8);
  writer.set("tokenizer.ggml.tokens", GgufArray(std::vector<std::string>{"a"}));
  return writer;
}

TEST_F(ModelFile, TakesTheHeadsForKeyValueHeadsWhereTheyAreNotNamed) {
  EXPECT_EQ(describe_model(Gguf::parse(model_writer().finish(), "q.gguf")).n_kv_heads, 4);
  EXPECT_EQ(describe_model(Gguf::parse(model_writer().finish(), "dir/q.gguf")).name, "q.gguf");
}

TEST_F(ModelFile, RefusesModelsThatItCannotUse) {
  struct Case {
    std::function<void(GgufWriter&)> change;
    ErrorCode code;
    const char* part;
  };
  const auto set = [](const char* key, GgufValue value) {
    return [=](GgufWriter& w) { w.set(key, value); };
  };
  const std::vector<Case> cases{
      {set("general.architecture", std::string("gemma3")), ErrorCode::Unsupported,
       "'gemma3', expected one of llama, qwen2"},
      {set("general.type", std::string("adapter")), ErrorCode::InvalidArgument, "is an adapter"},
      {set("split.count", std::uint64_t{3}), ErrorCode::Unsupported, "part of a split model"},
      {set("qwen2.block_count", std::uint64_t{0}), ErrorCode::CorruptFile, "is 0, expected 1 to"},
      {set("qwen2.embedding_length", std::uint64_t{1} << 40), ErrorCode::CorruptFile,
       "expected 1 to"},
      {set("qwen2.feed_forward_length", std::string("x")), ErrorCode::CorruptFile, "integer"},
      {set("tokenizer.ggml.tokens", GgufArray(std::vector<std::string>{})), ErrorCode::CorruptFile,
       "empty vocabulary"},
      {set("tokenizer.ggml.tokens", GgufArray(std::vector<float>{1})), ErrorCode::CorruptFile,
       "array of texts"},
  };
  for (const Case& c : cases) {
    GgufWriter writer = model_writer();
    c.change(writer);
    expect_error([&] { (void)describe_model(Gguf::parse(writer.finish(), "q.gguf")); }, c.code,
                 c.part);
  }
}

TEST(CheckBase, KnowsTheSameFileAnotherQuantisationAndAnotherModel) {
  const BaseModel wanted = small_base();
  BaseModel found = wanted;
  EXPECT_EQ(check_base(wanted, found, "pool 'p'"), BaseFit::Same);
  found.sha256 = std::string(64, 'c');
  found.name = "small Q8_0";
  EXPECT_EQ(check_base(wanted, found, "pool 'p'"), BaseFit::Requantised);
  found.d_model = 16;
  found.n_layers = 4;
  expect_error([&] { (void)check_base(wanted, found, "pool 'p'"); }, ErrorCode::Incompatible,
               "layers 4, not 3, embedding length 16, not 8");
  expect_error([&] { (void)check_base(wanted, found, "pool 'p'"); }, ErrorCode::Incompatible,
               "pool 'p' needs base model small (llama-3x8-h2.1-ff16-v10-bbbbbbbb)");
}

TEST(CheckBase, AVocabularyOfTheSameFirstDigitsIsStillAnother) {
  BaseModel found = small_base();
  found.vocab_sha256.back() = 'c';
  expect_error([&] { (void)check_base(small_base(), found, "task"); }, ErrorCode::Incompatible,
               "vocabulary hash differs");
}

}  // namespace
}  // namespace crayon
