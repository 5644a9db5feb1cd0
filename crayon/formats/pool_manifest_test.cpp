#include "crayon/formats/pool_manifest.h"

#include "crayon/formats/safetensors.h"
#include "tests/corrupt/support.h"

namespace crayon {
namespace {

using test::expect_error;
using test::small_base;
using test::small_gate;

PoolManifest small_manifest() {
  PoolManifest manifest;
  manifest.id = "p-01234567";
  manifest.name = "p";
  manifest.base = small_base();
  manifest.first_layer = 1;
  manifest.gate_sha256 = std::string(64, 'd');
  manifest.calibration = {2, -1, 100, false, 0.375};
  manifest.adapters = {{"a0", "adapters/a0.gguf", std::string(64, '0'), 4, {"piqa", "trec"}, "MIT"},
                       {"a1", "adapters/a1.gguf", std::string(64, '1'), 8, {}, ""}};
  manifest.shared = {{"s", "adapters/s.gguf", std::string(64, '2'), 2, {}, ""}};
  manifest.training_json = R"({"seed":1})";
  manifest.scope.sizes = {4, 8};
  manifest.scope.quantiles = Matrix(2, 3);
  manifest.scope.quantiles.data = {0.1f, 0.5f, 1.25f, 0.2f, 0.6f, 1.5f};
  return manifest;
}

TEST(PoolManifest, EverythingReadsBackAndWritesTheSameText) {
  const std::string text = write_pool_manifest(small_manifest());
  const PoolManifest got = parse_pool_manifest(text, "pool.json");
  EXPECT_EQ(got.id, "p-01234567");
  EXPECT_EQ(got.base.id(), small_base().id());
  EXPECT_EQ(got.first_layer, 1);
  EXPECT_EQ(got.calibration.intercept, -1);
  EXPECT_EQ(got.calibration.guess, 0.375);
  EXPECT_EQ(got.scope.sizes, small_manifest().scope.sizes);
  EXPECT_EQ(got.scope.quantiles.data, small_manifest().scope.quantiles.data);
  ASSERT_EQ(got.adapters.size(), 2u);
  EXPECT_EQ(got.adapters[0].rank, 4);
  EXPECT_EQ(got.adapters[0].trained_on, (std::vector<std::string>{"piqa", "trec"}));
  EXPECT_EQ(got.adapters[0].licence, "MIT");
  ASSERT_EQ(got.shared.size(), 1u);
  EXPECT_EQ(got.training_json, R"({"seed":1})");
  EXPECT_EQ(got.prompt.with_context, PromptFormat{}.with_context);
  EXPECT_EQ(write_pool_manifest(got), text);
}

TEST(PoolManifest, AnUnknownKeyIsIgnored) {
  std::string text = write_pool_manifest(small_manifest());
  text.insert(1, R"("note": {"by": "hand"},)");
  EXPECT_EQ(parse_pool_manifest(text, "pool.json").name, "p");
}

TEST(PoolManifest, RefusesBrokenManifests) {
  struct Case {
    const char* from;
    const char* to;
    const char* part;
    ErrorCode code = ErrorCode::CorruptFile;
  };
  const std::vector<Case> cases{
      {"\"format_version\": 1", "\"format_version\": 2", "format version 2",
       ErrorCode::Unsupported},
      {"\"format_version\": 1", "\"format_version\": \"1\"", "expected an integer"},
      {"\"format_version\": 1", "\"format_version\": 0", "'format_version' is '0'"},
      {"\"id\": \"p-01234567\"", "\"id\": \"\"", "key 'id' is '\"\"', expected a name"},
      {"\"id\":", "\"name\":", "has the key 'name' twice"},
      {"{", "", "is not JSON at byte"},
      {"}\n}", "}", "is not JSON at byte"},
      {"\"p\"", "\"\xff\"", "is not UTF-8"},
      {"\"base\": {", "\"base\": 3, \"x\": {", "key 'base' is '3', expected an object"},
      {"\"d_model\": 8", "\"d_model\": 8.5", "key 'base.d_model' is '8.5'"},
      {"\"d_model\": 8", "\"d_model\": 18446744073709551615", "expected an integer in 1..16777216"},
      {"\"first_layer\": 1", "\"first_layer\": 3",
       "key 'first_layer' is '3', expected an integer in 0..2"},
      {"dddddddd", "DDDDDDDD", "key 'gate.sha256'"},
      {"dddddddd", "ddd", "64 lower-case hexadecimal digits"},
      {"\"adapters/a0.gguf\"", "\"/etc/passwd\"", "a path inside the pool's folder"},
      {"\"adapters/a0.gguf\"", "\"../a0.gguf\"", "'adapters[0].file' is '\"../a0.gguf\"'"},
      {"\"adapters/a0.gguf\"", "\"adapters/../../a0.gguf\"", "without '..'"},
      {"\"adapters/a0.gguf\"", "\"adapters/\"", "a path inside"},
      {"\"adapters/a0.gguf\"", "\"\"", "a path inside"},
      {"\"adapters/a0.gguf\"", "\"a\\u0000.gguf\"", "a path inside"},
      {"\"adapters/a0.gguf\"", "\"..\\\\a.gguf\"", "a path inside"},
      {"\"adapters/a0.gguf\"", "\"adapters/a1.gguf\"", "'adapters/a1.gguf' is named twice"},
      {"\"adapters/a0.gguf\"", "\"gate.safetensors\"", "'gate.safetensors' is named twice"},
      {"\"name\": \"a0\"", "\"name\": \"a1\"", "adapter 'a1' is there twice"},
      {"\"name\": \"a0\"", "\"name\": \"s\"", "adapter 's' is there twice"},
      {"\"rank\": 4", "\"rank\": 0", "key 'adapters[0].rank' is '0'"},
      {"\"rank\": 4", "\"rank\": null", "'adapters[0].rank' is 'null'"},
      {"\"piqa\"", "3", "an array of texts"},
      {"\"licence\": \"MIT\"", "\"licence\": []", "an array, expected a text"},
      {"\"slope\": 2.0", "\"slope\": \"2\"", "expected a number"},
      {"\"slope\": 2.0", "\"slope\": 2e999", "is not JSON"},
      {"\"guess\": 0.375", "\"guess\": 1.0", "'calibration.guess' is '1.0'"},
      {"\"guess\": 0.375", "\"guess\": -0.1", "0 to less than 1"},
      {"\"quantiles\": [", "\"quantiles\": [3, ", "expected sizes and quantiles"},
      {"\"sizes\": [", "\"sizes\": [2, ", "2 rows of quantiles for 3 sizes"},
      {"0.6", "0.16", "quantiles of size 8 do not ascend"},
      {"\"seed\": 1", "\"seed\": 1, \"seed\": 2", "has the key 'seed' twice"},
      {"\"training\": {", "\"training\": [], \"x\": {", "'training' is an array"},
  };
  const std::string good = write_pool_manifest(small_manifest());
  for (const Case& c : cases) {
    std::string text = good;
    ASSERT_NE(text.find(c.from), std::string::npos) << c.from;
    text.replace(text.find(c.from), std::strlen(c.from), c.to);
    expect_error([&] { (void)parse_pool_manifest(text, "pool.json"); }, c.code, c.part);
  }
}

TEST(PoolManifest, MayHaveNoAdapterAndAtMostOneSharedOne) {
  PoolManifest manifest = small_manifest();
  manifest.shared.push_back(manifest.shared[0]);
  expect_error([&] { (void)parse_pool_manifest(write_pool_manifest(manifest), "f"); },
               ErrorCode::CorruptFile, "at most one shared adapter");
  manifest = small_manifest();
  manifest.adapters.clear();
  EXPECT_TRUE(parse_pool_manifest(write_pool_manifest(manifest), "f").adapters.empty());
  manifest.training_json = "[";
  expect_error([&] { (void)write_pool_manifest(manifest); }, ErrorCode::InvalidArgument,
               "training_json");
}

TEST(GateFile, EverythingReadsBackBitForBit) {
  const Gate gate = small_gate();
  const Gate got = parse_gate(write_gate(gate), "gate");
  EXPECT_EQ(got.embedding, gate.embedding);
  EXPECT_EQ(got.temperature, gate.temperature);
  EXPECT_EQ(got.max_tilt, gate.max_tilt);
  EXPECT_EQ(got.modulated, gate.modulated);
  EXPECT_EQ(got.keys.data, gate.keys.data);
  EXPECT_EQ(got.keys.rows, gate.keys.rows);
  EXPECT_EQ(got.whitening.mean, gate.whitening.mean);
  EXPECT_EQ(got.whitening.projection.data, gate.whitening.projection.data);
  EXPECT_EQ(got.reference.data, gate.reference.data);
}

TEST(GateFile, TheReferenceMayBeMissing) {
  Gate gate = small_gate();
  gate.reference = {};
  EXPECT_EQ(parse_gate(write_gate(gate), "gate").reference.rows, 0u);
}

TEST(GateFile, EvenSharesMakeItAFileThatOlderProgramsRefuse) {
  Gate gate = small_gate();
  const auto format = [&] { return read_safetensors(write_gate(gate), "gate").metadata["format"]; };
  EXPECT_EQ(format(), "crayon-gate-1");
  gate.even = {0.5f, 0.0f};
  EXPECT_EQ(format(), "crayon-gate-2");
  EXPECT_EQ(parse_gate(write_gate(gate), "gate").even, gate.even);
}

TEST(GateFile, AWeakerSharedAdapterToo) {
  Gate gate = small_gate();
  gate.shared_least = 0.6f;
  const auto format = [&] { return read_safetensors(write_gate(gate), "gate").metadata["format"]; };
  EXPECT_EQ(format(), "crayon-gate-3");
  EXPECT_EQ(parse_gate(write_gate(gate), "gate").shared_least, 0.6f);
  EXPECT_TRUE(parse_gate(write_gate(gate), "gate").even.empty());
  gate.even = {0.5f, 0.0f};
  EXPECT_EQ(format(), "crayon-gate-3");
  EXPECT_EQ(parse_gate(write_gate(gate), "gate").even, gate.even);
  gate.shared_least = 1.5f;
  expect_error([&] { (void)write_gate(gate); }, ErrorCode::InvalidArgument, "shared_least 1.5");
}

TEST(GateFile, OfAnEmptyPoolReadsBack) {
  Gate gate = small_gate();
  gate.keys = Matrix(0, 4);
  const Gate got = parse_gate(write_gate(gate), "gate");
  EXPECT_EQ(got.keys.rows, 0u);
  EXPECT_EQ(got.keys.cols, 4u);
}

TEST(GateFile, RefusesBrokenGates) {
  struct Case {
    std::function<void(Safetensors&)> change;
    const char* part;
    ErrorCode code = ErrorCode::CorruptFile;
  };
  const std::vector<Case> cases{
      {[](Safetensors& f) { f.metadata.erase("format"); }, "lacks the metadata 'format'"},
      {[](Safetensors& f) { f.metadata["format"] = "crayon-gate-4"; }, "'crayon-gate-4'",
       ErrorCode::Unsupported},
      {[](Safetensors& f) { f.metadata["layer"] = "2x"; }, "'layer' is '2x', expected a number"},
      {[](Safetensors& f) { f.metadata["temperature"] = ""; }, "expected a number"},
      {[](Safetensors& f) { f.metadata["temperature"] = "0"; }, "temperature"},
      {[](Safetensors& f) { f.metadata["temperature"] = "nan"; }, "temperature"},
      {[](Safetensors& f) { f.metadata["pooling"] = "max"; }, "max"},
      {[](Safetensors& f) { f.tensors.erase("keys"); }, "lacks the tensor 'keys'"},
      {[](Safetensors& f) { f.tensors["keys"].shape = {8}; }, "1 dimensions, expected 2"},
      {[](Safetensors& f) { f.tensors["keys"].data[0] += 1; }, "gate: "},
      {[](Safetensors& f) { f.tensors["mean"].data[0] = NAN; }, "gate: "},
      {[](Safetensors& f) {
         f.tensors["mean"] = {{7}, std::vector<float>(7)};
       },
       "gate: "},
      {[](Safetensors& f) {
         f.tensors["projection"] = {{3, 8}, std::vector<float>(24)};
       },
       "gate: "},
  };
  const auto good = write_gate(small_gate());
  for (const Case& c : cases) {
    Safetensors file = read_safetensors(good, "gate");
    c.change(file);
    expect_error([&] { (void)parse_gate(write_safetensors(file), "gate"); }, c.code, c.part);
  }
}

}  // namespace
}  // namespace crayon
