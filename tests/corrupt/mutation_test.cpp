// Seeded mutations of good files: whatever the bytes, a reader gives a value or one Error.
#include <sstream>

#include "crayon/formats/adapter_file.h"
#include "crayon/formats/examples.h"
#include "crayon/formats/gguf.h"
#include "crayon/formats/model_file.h"
#include "crayon/formats/safetensors.h"
#include "tests/corrupt/support.h"

namespace crayon::test {
namespace {

constexpr int kRounds = 4000;

using Reader = std::function<void(const std::vector<std::byte>&)>;

/// One to four changes: a flipped bit, another byte, a run of bytes moved, or the end cut.
std::vector<std::byte> mutate(std::vector<std::byte> bytes, Rng& rng) {
  for (std::size_t n = 1 + rng.below(4); n > 0 && !bytes.empty(); --n) {
    const std::size_t at = rng.below(bytes.size());
    switch (rng.below(8)) {
      case 0:
        bytes.resize(at);
        break;
      case 1:
        bytes[at] = std::byte{0xff};
        break;
      case 2:
        bytes[at] = static_cast<std::byte>(rng.below(256));
        break;
      case 3:
        bytes.insert(bytes.begin() + static_cast<std::ptrdiff_t>(at),
                     bytes[rng.below(bytes.size())]);
        break;
      default:
        bytes[at] ^= static_cast<std::byte>(1u << rng.below(8));
    }
  }
  return bytes;
}

struct Outcome {
  int values = 0;
  int errors = 0;
};

/// Anything but a value or an Error ends the test program, which is the failure.
Outcome run(const std::vector<std::byte>& good, std::uint64_t seed, const Reader& read) {
  Rng rng(seed, "mutations");
  Outcome outcome;
  for (int i = 0; i < kRounds; ++i) {
    const auto bytes = mutate(good, rng);
    try {
      read(bytes);
      ++outcome.values;
    } catch (const Error& error) {
      EXPECT_FALSE(std::string(error.what()).empty());
      ++outcome.errors;
    }
  }
  return outcome;
}

void expect_total(const std::vector<std::byte>& good, std::uint64_t seed, const Reader& read) {
  read(good);  // unchanged, it is read
  const Outcome outcome = run(good, seed, read);
  EXPECT_EQ(outcome.values + outcome.errors, kRounds);
  EXPECT_GT(outcome.errors, kRounds / 50) << "the mutations hit nothing";
}

TEST(Mutations, OfALoraGiveAValueOrAnError) {
  expect_total(read_file(golden("lora.gguf")), 1,
               [](const auto& bytes) { (void)adapter_from_gguf(Gguf::parse(bytes, "m")); });
}

TEST(Mutations, OfAModelGiveAValueOrAnError) {
  auto bytes = read_file(golden("model.gguf"));
  expect_total(bytes, 2, [](const auto& b) { (void)describe_model(Gguf::parse(b, "m")); });
}

TEST(Mutations, OfATaskGiveAValueOrAnError) {
  const Reader read = [](const auto& bytes) { (void)task_from_gguf(Gguf::parse(bytes, "m")); };
  Task task = small_task();
  expect_total(task_to_gguf(task), 3, read);
  task.info->head.choice_probe.assign(std::size_t(task.info->base.d_model), 0.5f);  // format 2
  expect_total(task_to_gguf(task), 11, read);
}

TEST(Mutations, OfSafetensorsGiveAValueOrAnError) {
  expect_total(read_file(golden("tensors.safetensors")), 4,
               [](const auto& bytes) { (void)read_safetensors(bytes, "m"); });
}

TEST(Mutations, OfAGateGiveAValueOrAnError) {
  expect_total(write_gate(small_gate()), 5,
               [](const auto& bytes) { (void)parse_gate(bytes, "m"); });
}

TEST(Mutations, OfAManifestGiveAValueOrAnError) {
  PoolManifest manifest;
  manifest.id = manifest.name = "p";
  manifest.base = small_base();
  manifest.gate_sha256 = std::string(64, 'd');
  manifest.adapters = {{"a", "adapters/a.gguf", std::string(64, '0'), 4, {"x"}, "MIT"}};
  expect_total(bytes_of(write_pool_manifest(manifest)), 6, [](const auto& bytes) {
    (void)parse_pool_manifest({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, "m");
  });
}

TEST(Mutations, OfExamplesGiveAValueOrAnError) {
  const auto good = bytes_of(R"({"question": "q", "choices": ["a", "b"], "answer": 1}
{"prompt": "p", "completion": "c"}
{"messages": [{"role": "user", "content": "x"}]}
)");
  expect_total(good, 7, [](const auto& bytes) {
    std::istringstream in(std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
    (void)read_examples(in, "m");
  });
}

}  // namespace
}  // namespace crayon::test
