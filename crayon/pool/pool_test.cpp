#include "crayon/pool/pool.h"

#include "crayon/formats/gguf.h"
#include "crayon/formats/model_file.h"
#include "tests/corrupt/support.h"

namespace crayon {
namespace {

namespace fs = std::filesystem;
using test::expect_error;
using test::random_matrix;
using test::small_adapter;
using test::small_base;
using test::small_gate;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

PoolManifest small_manifest(bool with_shared = false) {
  PoolManifest manifest;
  manifest.name = "tiny";
  manifest.base = small_base();
  manifest.first_layer = 1;
  if (with_shared) manifest.shared.resize(1);
  return manifest;
}

/// A folder with a pool of two adapters of ranks 2 and 3, and a shared one of rank 1 if asked for.
class PoolFolder : public ::testing::Test {
 protected:
  void SetUp() override { write(false); }
  void write(bool with_shared) {
    adapters_ = {small_adapter(1, 2), small_adapter(2, 3)};
    if (with_shared) adapters_.push_back(small_adapter(3, 1));
    write_pool(folder(), small_manifest(with_shared), small_gate(), adapters_, true);
  }
  fs::path folder() const { return scratch_.path() / "tiny"; }
  /// Replaces a part of pool.json.
  void edit(const std::string& from, const std::string& to) {
    std::string text = read_text(folder() / "pool.json");
    ASSERT_NE(text.find(from), std::string::npos) << from;
    write_atomically(folder() / "pool.json", text.replace(text.find(from), from.size(), to));
  }
  void expect_closed(ErrorCode code, const std::string& part) {
    expect_error([&] { (void)Pool::open(folder()); }, code, part);
  }

  test::ScratchFolder scratch_;
  std::vector<Adapter> adapters_;
};

/// The delta of one weight, summed the slow way over weighted adapters.
std::vector<float> dense_sum(const std::vector<Adapter>& adapters,
                             const std::vector<float>& weights, std::size_t tensor) {
  const LoraTensor& first = adapters[0].tensors[tensor];
  std::vector<float> sum(first.b.rows * first.a.cols);
  for (std::size_t n = 0; n < adapters.size(); ++n) {
    const LoraTensor& t = adapters[n].tensors[tensor];
    for (std::size_t i = 0; i < t.b.rows; ++i) {
      for (std::size_t j = 0; j < t.a.cols; ++j) {
        for (std::size_t k = 0; k < t.rank(); ++k) {
          sum[i * t.a.cols + j] += weights[n] * t.scale * t.b.at(i, k) * t.a.at(k, j);
        }
      }
    }
  }
  return sum;
}

TEST_F(PoolFolder, OpensWithWhatWasWritten) {
  const Pool pool = Pool::open(folder());
  EXPECT_EQ(pool.size(), 2u);
  EXPECT_EQ(pool.folder(), folder());
  EXPECT_EQ(pool.gate().keys.data, small_gate().keys.data);
  EXPECT_THAT(pool.manifest().id, ::testing::MatchesRegex("tiny-[0-9a-f]{8}"));
  ASSERT_EQ(pool.adapters().size(), 2u);
  EXPECT_EQ(pool.manifest().adapters[0].name, "a0");
  EXPECT_EQ(pool.manifest().adapters[1].file, "adapters/a1.gguf");
  EXPECT_EQ(pool.manifest().adapters[1].rank, 3);
  for (std::size_t n = 0; n < 2; ++n) {
    EXPECT_THAT(
        dense_sum({pool.adapters()[n]}, {1}, 0),
        ::testing::Pointwise(::testing::FloatNear(0.02f), dense_sum({adapters_[n]}, {1}, 0)));
  }
}

TEST_F(PoolFolder, BlendsByWeightsAndAddsTheSharedAdapterOnce) {
  write(true);
  Pool pool = Pool::open(folder());
  EXPECT_EQ(pool.size(), 2u) << "the shared one is not counted";
  EXPECT_EQ(pool.adapters().size(), 2u);
  const std::vector<float> weights{0.25f, -1.5f};
  const Blend blend = pool.blend(weights);
  const auto got = dense_sum({blend.adapter}, {1}, 1);
  const auto want = dense_sum(adapters_, {0.25f, -1.5f, 1.0f}, 1);
  EXPECT_THAT(got, ::testing::Pointwise(::testing::FloatNear(0.05f), want));
  EXPECT_NEAR(blend.relative_error, 0, 1e-5);
}

TEST_F(PoolFolder, TheSharedAdapterIsWeakerWhereTheGateSaysSo) {
  write(true);
  Gate gate = small_gate();
  gate.max_tilt = 0.5f;
  gate.shared_least = 0.6f;
  write_pool(folder(), small_manifest(true), gate, adapters_, true);
  Pool pool = Pool::open(folder());
  const auto got = dense_sum({pool.blend(std::vector<float>{0.25f, 0.0f}).adapter}, {1}, 1);
  const auto want = dense_sum(adapters_, {0.25f, 0.0f, 0.8f}, 1);
  EXPECT_THAT(got, ::testing::Pointwise(::testing::FloatNear(0.05f), want));
}

TEST_F(PoolFolder, RefusesAnotherNumberOfWeights) {
  Pool pool = Pool::open(folder());
  for (const std::vector<float>& weights : {std::vector<float>{1}, {1, 0, 0}, {}}) {
    expect_error([&] { (void)pool.blend(weights); }, ErrorCode::InvalidArgument, "expected 2");
  }
}

TEST_F(PoolFolder, TheSamePoolHasTheSameIdAndAnotherAdapterAnother) {
  const std::string id = Pool::open(folder()).manifest().id;
  write(false);
  EXPECT_EQ(Pool::open(folder()).manifest().id, id);
  adapters_[0].tensors[0].a.data[0] += 1;
  write_pool(folder(), small_manifest(), small_gate(), adapters_, true);
  EXPECT_NE(Pool::open(folder()).manifest().id, id);
}

TEST_F(PoolFolder, IsNotReplacedUnlessThatIsAllowed) {
  expect_error([&] { write_pool(folder(), small_manifest(), small_gate(), adapters_); },
               ErrorCode::InvalidArgument, "holds a pool already");
}

std::vector<std::string> files_in(const fs::path& folder) {
  std::vector<std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (!entry.is_directory()) files.push_back(fs::relative(entry.path(), folder).string());
  }
  std::ranges::sort(files);
  return files;
}

TEST_F(PoolFolder, AFailedReplacementLeavesTheOldPool) {
  const std::string id = Pool::open(folder()).manifest().id;
  write_atomically(folder() / "README.md", "x");
  const auto before = files_in(folder());
  adapters_[0].tensors[0].a.data[0] += 1;
  PoolManifest manifest = small_manifest();
  manifest.adapters.resize(2);
  manifest.adapters[1].file = "README.md/a1.gguf";  // in a folder that is a file
  expect_error([&] { write_pool(folder(), manifest, small_gate(), adapters_, true); },
               ErrorCode::Unavailable, "cannot be written");
  fs::create_directories(folder() / "other" / "a1.gguf");
  manifest.adapters[1].file = "other/a1.gguf";  // a file that is a folder
  expect_error([&] { write_pool(folder(), manifest, small_gate(), adapters_, true); },
               ErrorCode::InvalidArgument, "is a folder");
  EXPECT_EQ(Pool::open(folder()).manifest().id, id);
  EXPECT_EQ(files_in(folder()), before);
}

TEST_F(PoolFolder, AFailedFirstWriteLeavesNothing) {
  write_atomically(scratch_.path() / "file", "x");
  expect_error(
      [&] { write_pool(scratch_.path() / "file", small_manifest(), small_gate(), adapters_); },
      ErrorCode::Unavailable, "cannot be written");
  const fs::path fresh = scratch_.path() / "fresh";
  PoolManifest manifest = small_manifest();
  manifest.adapters.resize(2);
  manifest.adapters[1].file = "adapters/a0.gguf/a1.gguf";
  expect_error([&] { write_pool(fresh, manifest, small_gate(), adapters_); },
               ErrorCode::Unavailable, "cannot be written");
  EXPECT_FALSE(fs::exists(fresh));
}

TEST_F(PoolFolder, AReplacementRemovesOldAdaptersAndKeepsFilesOfOthers) {
  write(true);
  for (const char* kept : {"README.md", "adapters/notes.txt"}) {
    write_atomically(folder() / kept, "x");
  }
  fs::create_directories(folder() / ".new-pool.part/adapters");  // a run that was killed
  write(false);
  EXPECT_EQ(Pool::open(folder()).size(), 2u);
  EXPECT_THAT(files_in(folder()),
              ElementsAre("README.md", "adapters/a0.gguf", "adapters/a1.gguf", "adapters/notes.txt",
                          "gate.safetensors", "pool.json"));
  EXPECT_FALSE(fs::exists(folder() / ".new-pool.part"));
}

TEST_F(PoolFolder, RefusesToWriteNumbersThatDoNotFitAndWritesNothing) {
  const fs::path other = scratch_.path() / "other";
  const auto refuses = [&](const PoolManifest& manifest, const Gate& gate,
                           const std::vector<Adapter>& adapters, const char* part) {
    expect_error([&] { write_pool(other, manifest, gate, adapters); }, ErrorCode::InvalidArgument,
                 part);
    EXPECT_FALSE(fs::exists(other));
  };
  refuses(small_manifest(), small_gate(3), adapters_, "2 adapters and 3 keys");
  refuses(small_manifest(), small_gate(), {}, "0 adapters");
  PoolManifest manifest = small_manifest();
  manifest.adapters.resize(3);
  refuses(manifest, small_gate(), adapters_, "has 3 adapters");
  manifest = small_manifest();
  manifest.adapters.resize(2);
  manifest.adapters[0].file = "../escape.gguf";
  refuses(manifest, small_gate(), adapters_, "without '..'");
  manifest.adapters[0].file = "";
  manifest.adapters[0].name = "a1";
  refuses(manifest, small_gate(), adapters_, "is there twice");
  EXPECT_FALSE(fs::exists(scratch_.path() / "escape.gguf"));
}

TEST_F(PoolFolder, AFolderWithoutAManifestIsNoPool) {
  fs::remove(folder() / "pool.json");
  expect_closed(ErrorCode::NotFound, "holds no pool.json");
}

TEST_F(PoolFolder, AMissingFileIsNamed) {
  fs::remove(folder() / "adapters/a1.gguf");
  expect_closed(ErrorCode::NotFound, "a1.gguf");
}

TEST_F(PoolFolder, AChangedFileIsRefusedByItsHash) {
  for (const char* file : {"adapters/a0.gguf", "gate.safetensors"}) {
    write(false);
    auto bytes = read_file(folder() / file);
    bytes.back() ^= std::byte{1};
    write_atomically(folder() / file, bytes);
    expect_closed(ErrorCode::Incompatible, std::string(file) + ": has SHA-256");
  }
}

TEST_F(PoolFolder, AManifestThatDoesNotFitItsFilesIsRefused) {
  const std::vector<std::pair<std::pair<const char*, const char*>, const char*>> cases{
      {{"\"rank\": 2", "\"rank\": 4"}, "has rank 2, but pool.json says 4"},
      {{"\"d_ff\": 16", "\"d_ff\": 32"}, "is made for base 'llama-3x8-h2.1-ff16"},
      {{"\"architecture\": \"llama\"", "\"architecture\": \"qwen2\""},
       "made for architecture 'llama', but the pool for 'qwen2'"},
      {{"\"first_layer\": 1", "\"first_layer\": 2"}, "adapts 'blk.1.attn_q.weight'"},
      {{"\"d_model\": 8", "\"d_model\": 9"}, "has embedding length 8, but pool.json needs 9"},
      {{"\"n_layers\": 3", "\"n_layers\": 2"}, "is made for base"},
  };
  for (const auto& [change, part] : cases) {
    write(false);
    edit(change.first, change.second);
    expect_closed(ErrorCode::Incompatible, part);
  }
}

TEST_F(PoolFolder, AnotherNumberOfKeysThanAdaptersIsRefused) {
  std::string text = read_text(folder() / "pool.json");
  const auto begin = text.find('{', text.find("\"adapters\": ["));
  const auto end = text.find("},", begin) + 2;
  write_atomically(folder() / "pool.json", text.erase(begin, end - begin));
  expect_closed(ErrorCode::Incompatible, "has number of keys 2, but pool.json needs 1");
}

TEST_F(PoolFolder, ALinkThatLeavesTheFolderIsRefusedAndOneInsideIsNot) {
  fs::rename(folder() / "adapters/a0.gguf", folder() / "kept.gguf");
  fs::create_symlink("../kept.gguf", folder() / "adapters/a0.gguf");
  EXPECT_EQ(Pool::open(folder()).size(), 2u);
  fs::rename(folder() / "kept.gguf", scratch_.path() / "outside.gguf");
  fs::remove(folder() / "adapters/a0.gguf");
  fs::create_symlink(scratch_.path() / "outside.gguf", folder() / "adapters/a0.gguf");
  expect_closed(ErrorCode::Incompatible, "lies outside its pool");
}

TEST_F(PoolFolder, AdaptersOfDifferentShapesDoNotBlend) {
  adapters_[1].tensors[0].a = random_matrix(3, 9, 1);
  write_pool(folder(), small_manifest(), small_gate(), adapters_, true);
  expect_closed(ErrorCode::Incompatible, "blk.1.attn_q.weight");
}

std::vector<std::string> failures(const std::vector<PoolCheck>& checks) {
  std::vector<std::string> bad;
  for (const PoolCheck& check : checks) {
    if (!check.ok) bad.push_back(check.what);
  }
  return bad;
}

TEST_F(PoolFolder, VerifyFindsNothingInAGoodPool) {
  write(true);
  const auto checks = verify_pool(folder());
  EXPECT_THAT(failures(checks), ElementsAre());
  EXPECT_GE(checks.size(), 9u);
}

TEST_F(PoolFolder, VerifyGoesOnAfterAFailureAndListsAll) {
  auto bytes = read_file(folder() / "adapters/a0.gguf");
  bytes.back() ^= std::byte{1};
  write_atomically(folder() / "adapters/a0.gguf", bytes);
  fs::remove(folder() / "gate.safetensors");
  edit("\"id\": \"tiny-", "\"id\": \"tiny-f");
  EXPECT_THAT(failures(verify_pool(folder())),
              ElementsAre("pool.json: id", "gate.safetensors", "adapters/a0.gguf: SHA-256"));
}

TEST_F(PoolFolder, VerifyOfNoPoolIsOneFailure) {
  EXPECT_THAT(failures(verify_pool(scratch_.path())), ElementsAre("pool.json"));
}

TEST_F(PoolFolder, VerifyNamesTheModelThatDoesNotFit) {
  ::setenv("CRAYON_CACHE", scratch_.path().c_str(), 1);
  const auto checks = verify_pool(folder(), test::golden("model.gguf"));
  ::unsetenv("CRAYON_CACHE");
  EXPECT_THAT(failures(checks), ElementsAre(HasSubstr("model.gguf")));
}

/// The header of a model without weights, of the sizes of small_base().
std::vector<std::byte> small_model() {
  GgufWriter writer;
  const auto set = [&](const char* key, std::uint32_t n) {
    writer.set_u32(std::string("llama.") + key, n);
  };
  writer.set("general.architecture", std::string("llama"));
  set("block_count", 3);
  set("embedding_length", 8);
  set("attention.head_count", 2);
  set("attention.head_count_kv", 1);
  set("feed_forward_length", 16);
  writer.set("tokenizer.ggml.tokens", GgufArray(std::vector<std::string>{"a", "b"}));
  return writer.finish();
}

TEST_F(PoolFolder, VerifyNamesTheAdapterThatDoesNotFitTheModel) {
  const fs::path model = scratch_.path() / "model.gguf";
  write_atomically(model, small_model());
  PoolManifest manifest = small_manifest();
  manifest.base = describe_model(model, /*with_hash=*/false);
  write_pool(folder(), manifest, small_gate(), adapters_, true);
  ::setenv("CRAYON_CACHE", scratch_.path().c_str(), 1);
  const auto checks = verify_pool(folder(), model);
  ::unsetenv("CRAYON_CACHE");
  ASSERT_THAT(failures(checks), ElementsAre(HasSubstr("model.gguf")));
  for (const PoolCheck& check : checks) {
    if (!check.ok) {
      EXPECT_THAT(check.detail, ::testing::StartsWith((folder() / "adapters/a0.gguf").string()));
    }
  }
}

TEST_F(PoolFolder, IsFoundDirectlyBelowARoot) {
  fs::create_directories(scratch_.path() / "empty");
  fs::create_directories(scratch_.path() / "deep/er");
  fs::copy_file(folder() / "pool.json", scratch_.path() / "deep/er/pool.json");
  const std::vector<fs::path> roots{scratch_.path(), "/no/such/root", scratch_.path()};
  EXPECT_THAT(find_pools(roots), ElementsAre(folder()));
}

}  // namespace
}  // namespace crayon
