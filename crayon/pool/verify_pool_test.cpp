// What verify_pool finds: each test breaks one thing and nothing else, hashes mended.
#include "crayon/base/sha256.h"
#include "crayon/formats/adapter_file.h"
#include "crayon/formats/safetensors.h"
#include "crayon/pool/internal/pool_files.h"
#include "crayon/pool/pool.h"
#include "tests/corrupt/support.h"

namespace crayon {
namespace {

namespace fs = std::filesystem;
using test::small_adapter;
using test::small_base;
using test::small_gate;
using ::testing::HasSubstr;

class VerifiedPool : public ::testing::Test {
 protected:
  VerifiedPool() {
    PoolManifest manifest;
    manifest.name = "tiny";
    manifest.base = small_base();
    manifest.first_layer = 1;
    write_pool(folder(), manifest, small_gate(),
               std::vector<Adapter>{small_adapter(1, 2), small_adapter(2, 3)});
  }
  [[nodiscard]] fs::path folder() const { return scratch_.path() / "tiny"; }

  /// Changes the manifest, with its id set right again.
  void edit_manifest(const std::function<void(PoolManifest&)>& change) {
    PoolManifest manifest = read_manifest(folder());
    change(manifest);
    manifest.id = pool_id(manifest);
    write_atomically(folder() / "pool.json", write_pool_manifest(manifest));
  }
  /// Changes the gate's file as stored, with its hash.
  void edit_gate(const std::function<void(Safetensors&)>& change) {
    const fs::path file = folder() / "gate.safetensors";
    Safetensors gate = read_safetensors(read_file(file), file.string());
    change(gate);
    const auto bytes = write_safetensors(gate);
    write_atomically(file, bytes);
    edit_manifest([&](PoolManifest& manifest) { manifest.gate_sha256 = sha256_hex(bytes); });
  }
  /// Replaces bytes of an adapter's file, with its hash.
  void edit_adapter(std::size_t i, const std::function<void(std::vector<std::byte>&)>& change) {
    const fs::path file = folder() / read_manifest(folder()).adapters[i].file;
    auto bytes = read_file(file);
    change(bytes);
    write_atomically(file, bytes);
    edit_manifest([&](PoolManifest& manifest) { manifest.adapters[i].sha256 = sha256_hex(bytes); });
  }
  /// The only check that fails, and why.
  void expect_failure(const std::string& what, const std::string& detail) const {
    std::size_t failed = 0;
    for (const PoolCheck& check : verify_pool(folder())) {
      if (check.ok) continue;
      ++failed;
      EXPECT_EQ(check.what, what);
      EXPECT_THAT(check.detail, HasSubstr(detail));
    }
    EXPECT_EQ(failed, 1u);
  }

  test::ScratchFolder scratch_;
};

TEST_F(VerifiedPool, AGateThatHoldsNotANumberFails) {
  for (const char* tensor : {"mean", "projection", "reference", "keys"}) {
    float was = 0;
    edit_gate([&](Safetensors& gate) { was = std::exchange(gate.tensors[tensor].data[1], NAN); });
    expect_failure("gate.safetensors", "a number is not finite");
    edit_gate([&](Safetensors& gate) { gate.tensors[tensor].data[1] = was; });
  }
  edit_gate([](Safetensors& gate) { gate.tensors["projection"].data[5] = INFINITY; });
  expect_failure("gate.safetensors", "whitening: a number is not finite");
}

TEST_F(VerifiedPool, AKeyThatIsNotOfNormOneFails) {
  edit_gate([](Safetensors& gate) {
    for (std::size_t j = 0; j < 4; ++j) gate.tensors["keys"].data[4 + j] *= 2;
  });
  expect_failure("gate.safetensors", "key 1 has norm 2.0000; expected 1");
}

TEST_F(VerifiedPool, AnotherNumberOfKeysThanAdaptersFails) {
  edit_gate([](Safetensors& gate) {
    gate.tensors["keys"].shape = {1, 4};
    gate.tensors["keys"].data.resize(4);
  });
  expect_failure("gate.safetensors", "has number of keys 1, but pool.json needs 2");
}

TEST_F(VerifiedPool, EvenSharesThatNoGateHasFail) {
  edit_gate([](Safetensors& gate) {
    gate.metadata["format"] = "crayon-gate-2";
    gate.tensors["even"] = {{2}, {1.0f, 0.5f}};
  });
  expect_failure("gate.safetensors", "even shares sum to 1.5000");
}

TEST_F(VerifiedPool, AGateForAnotherWidthFails) {
  edit_manifest([](PoolManifest& manifest) { manifest.base.d_model = 9; });
  bool found = false;
  for (const PoolCheck& check : verify_pool(folder())) {
    if (check.what != "gate.safetensors") continue;
    found = true;
    EXPECT_FALSE(check.ok);
    EXPECT_THAT(check.detail, HasSubstr("has embedding length 8, but pool.json needs 9"));
  }
  EXPECT_TRUE(found);
}

TEST_F(VerifiedPool, ReferenceRowsThatAreNotThereFail) {
  edit_manifest([](PoolManifest& manifest) { manifest.adapters[1].reference_rows = 6; });
  expect_failure("gate.safetensors", "has 5 reference rows, but pool.json gives 6");
}

TEST_F(VerifiedPool, AnAdapterThatHoldsNotANumberFailsThoughItsHashIsRight) {
  for (const std::uint16_t half : {std::uint16_t{0x7e00}, std::uint16_t{0x7c00}}) {  // NaN, inf
    edit_adapter(1, [&](std::vector<std::byte>& bytes) {
      std::memcpy(bytes.data() + bytes.size() - 32, &half, sizeof half);
    });
    expect_failure("adapters/a1.gguf: contents", "expected finite numbers");
  }
}

TEST_F(VerifiedPool, AnAdapterThatIsCutShortFails) {
  edit_adapter(0, [](std::vector<std::byte>& bytes) { bytes.resize(bytes.size() - 64); });
  expect_failure("adapters/a0.gguf: contents", "a0.gguf");
}

TEST_F(VerifiedPool, AdaptersOfUnlikeShapesFail) {
  Adapter wide = small_adapter(1, 2);
  wide.base_id = small_base().id();
  wide.tensors[0].a = test::random_matrix(2, 9, 1);
  edit_adapter(0, [&](std::vector<std::byte>& bytes) { bytes = adapter_to_gguf(wide, {}); });
  expect_failure("adapters: shapes", "blk.1.attn_q.weight");
}

TEST_F(VerifiedPool, AnUnknownArchitectureIsNamedWithThoseThatAreKnown) {
  edit_manifest([](PoolManifest& manifest) { manifest.base.architecture = "gemma2"; });
  const auto checks = verify_pool(folder());
  ASSERT_EQ(checks[1].what, "pool.json: architecture");
  EXPECT_FALSE(checks[1].ok);
  EXPECT_THAT(checks[1].detail, HasSubstr("architecture 'gemma2', expected one of llama, qwen2"));
}

TEST_F(VerifiedPool, AForeignIdFails) {
  PoolManifest manifest = read_manifest(folder());
  manifest.id = "tiny-00000000";
  write_atomically(folder() / "pool.json", write_pool_manifest(manifest));
  expect_failure("pool.json: id", "has id 'tiny-00000000'");
}

}  // namespace
}  // namespace crayon
