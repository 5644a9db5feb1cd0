// Golden folders come from PEFT itself (tests/golden/make_peft.py).
#include "crayon/formats/peft.h"

#include "crayon/formats/adapter_file.h"
#include "crayon/formats/safetensors.h"
#include "tests/corrupt/support.h"

namespace crayon {
namespace {

namespace fs = std::filesystem;
using test::bytes_of;
using test::expect_error;
using test::random_matrix;
using test::small_base;
using ::testing::FloatNear;
using ::testing::Pointwise;

fs::path golden_peft(const std::string& name) {
  return fs::path(CRAYON_SOURCE_DIR) / "tests/golden/peft" / name;
}

BaseModel base_of(const std::string& architecture) {
  BaseModel base = small_base();
  base.architecture = architecture;
  return base;
}

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

struct GoldenFolder {
  std::string name;
  std::string architecture;
  std::size_t tensors;
};
class GoldenPeft : public ::testing::TestWithParam<GoldenFolder> {};

TEST_P(GoldenPeft, MeansWhatPeftMakesOfIt) {
  const auto& [name, architecture, n] = GetParam();
  const PeftAdapter got = read_peft(golden_peft(name), base_of(architecture));
  EXPECT_EQ(got.base_model, "someone/tiny");
  EXPECT_EQ(got.adapter.base_id, base_of(architecture).id());
  EXPECT_NO_THROW(check_adapter(got.adapter));
  const std::string file = (golden_peft(name) / "expected.safetensors").string();
  const Safetensors want = read_safetensors(read_file(file), file);
  ASSERT_EQ(got.adapter.tensors.size(), n);
  ASSERT_EQ(want.tensors.size(), n);
  for (const LoraTensor& tensor : got.adapter.tensors) {
    ASSERT_TRUE(want.tensors.contains(tensor.name)) << tensor.name;
    EXPECT_THAT(dense(tensor), Pointwise(FloatNear(1e-5f), want.tensors.at(tensor.name).data))
        << tensor.name;
  }
}

INSTANTIATE_TEST_SUITE_P(Families, GoldenPeft,
                         ::testing::Values(GoldenFolder{"llama", "llama", 14},
                                           GoldenFolder{"llama-rslora", "llama", 3},
                                           GoldenFolder{"qwen2", "qwen2", 2}),
                         [](const auto& each) {
                           std::string name = each.param.name;
                           std::erase(name, '-');
                           return name;
                         });

TEST(Peft, EachMatrixHasItsOwnRankAndScale) {
  const PeftAdapter got = read_peft(golden_peft("llama-rslora"), base_of("llama"));
  EXPECT_TRUE(got.rank_stabilised);
  const auto& tensors = got.adapter.tensors;
  EXPECT_EQ(tensors[0].name, "blk.2.attn_k.weight");
  EXPECT_EQ(tensors[0].rank(), 1u);
  EXPECT_FLOAT_EQ(tensors[0].scale, 5.0f);
  EXPECT_EQ(tensors[1].name, "blk.2.attn_q.weight");
  EXPECT_FLOAT_EQ(tensors[1].scale, 12 / std::sqrt(3.0f));
  EXPECT_EQ(tensors[2].name, "blk.2.ffn_down.weight");
  EXPECT_FLOAT_EQ(tensors[2].scale, 5 / std::sqrt(3.0f));
}

class PeftFolder : public ::testing::Test {
 protected:
  PeftFolder() { fs::copy(golden_peft("llama"), folder(), fs::copy_options::recursive); }
  [[nodiscard]] fs::path folder() const { return scratch_.path() / "peft"; }
  void edit(const std::string& from, const std::string& to) {
    std::string text = read_text(folder() / "adapter_config.json");
    ASSERT_NE(text.find(from), std::string::npos) << from;
    write_atomically(folder() / "adapter_config.json",
                     text.replace(text.find(from), from.size(), to));
  }
  void expect_refused(ErrorCode code, const std::string& part) {
    expect_error([&] { (void)read_peft(folder(), base_of("llama")); }, code, part);
  }
  void rewrite(const std::function<void(Safetensors&)>& change) {
    const fs::path file = folder() / "adapter_model.safetensors";
    Safetensors tensors = read_safetensors(read_file(file), file.string());
    change(tensors);
    write_atomically(file, write_safetensors(tensors));
  }
  test::ScratchFolder scratch_;
};

struct RefusedConfig {
  std::string name, from, to, message;
  ErrorCode code = ErrorCode::Unsupported;
};
class RefusedPeft : public PeftFolder, public ::testing::WithParamInterface<RefusedConfig> {};

TEST_P(RefusedPeft, SaysWhatItFound) {
  edit(GetParam().from, GetParam().to);
  expect_refused(GetParam().code, GetParam().message);
}

INSTANTIATE_TEST_SUITE_P(
    Configs, RefusedPeft,
    ::testing::Values(
        RefusedConfig{"Dora", "\"use_dora\": false", "\"use_dora\": true",
                      "DoRA adapter (use_dora)"},
        RefusedConfig{"Bias", "\"bias\": \"none\"", "\"bias\": \"all\"", "trains biases (bias is"},
        RefusedConfig{"BiasOfB", "\"lora_bias\": false", "\"lora_bias\": true", "lora_bias"},
        RefusedConfig{"WholeModules", "\"modules_to_save\": null",
                      "\"modules_to_save\": [\"lm_head\"]", "whole modules (modules_to_save)"},
        RefusedConfig{"Pissa", "\"init_lora_weights\": true", "\"init_lora_weights\": \"pissa\"",
                      "begins by 'pissa', which changes the base's weights"},
        RefusedConfig{"OtherMethod", "\"peft_type\": \"LORA\"", "\"peft_type\": \"LOHA\"",
                      "peft_type is 'LOHA'"},
        RefusedConfig{"Activated", "\"alora_invocation_tokens\": null",
                      "\"alora_invocation_tokens\": [1]", "activated LoRA"},
        RefusedConfig{"Pattern", "\"rank_pattern\": {}", "\"rank_pattern\": {\"^q.*\": 2}",
                      "regular expression '^q.*'"},
        RefusedConfig{"OtherRank", "\"r\": 2", "\"r\": 4", "says rank 4", ErrorCode::CorruptFile},
        RefusedConfig{"HugeAlpha", "\"lora_alpha\": 6", "\"lora_alpha\": 1e300",
                      "gives alpha 1e+300", ErrorCode::CorruptFile},
        RefusedConfig{"NoRank", "\"r\": 2", "\"r\": 0", "'r'", ErrorCode::CorruptFile},
        RefusedConfig{"NotJson", "{", "[", "adapter_config.json", ErrorCode::CorruptFile}),
    [](const auto& each) { return each.param.name; });

TEST_F(PeftFolder, AModuleOfAnotherArchitectureIsNamedWithThoseThatAreKnown) {
  rewrite([](Safetensors& file) {
    auto node = file.tensors.extract(file.tensors.begin());
    node.key() = "base_model.model.transformer.h.0.attn.c_attn.lora_A.weight";
    file.tensors.insert(std::move(node));
  });
  expect_refused(ErrorCode::Unsupported, "adapts the module 'transformer.h.0.attn.c_attn'");
  expect_refused(ErrorCode::Unsupported, "q_proj, k_proj, v_proj, o_proj, gate_proj");
}

TEST_F(PeftFolder, TensorsThatAreNoFactorsAreNamed) {
  rewrite([](Safetensors& file) {
    file.tensors["base_model.model.model.layers.1.self_attn.q_proj.lora_magnitude_vector"] = {
        {8}, std::vector<float>(8)};
  });
  expect_refused(ErrorCode::Unsupported, "is no A or B of a plain LoRA");
}

TEST_F(PeftFolder, AHalfPairAndNumbersThatAreNotFiniteAreRefused) {
  const std::string a = "base_model.model.model.layers.1.mlp.up_proj.lora_A.weight";
  rewrite([&](Safetensors& file) { file.tensors[a].data[3] = NAN; });
  expect_refused(ErrorCode::CorruptFile, "holds nan");
  rewrite([&](Safetensors& file) { file.tensors.erase(a); });
  expect_refused(ErrorCode::CorruptFile, "lacks its .lora_A.weight");
}

TEST_F(PeftFolder, AMatrixThatIsThereUnderTwoNamesIsRefused) {
  rewrite([](Safetensors& file) {
    const auto whole = file.tensors;
    for (const auto& [name, tensor] : whole) {
      const std::string layers = "base_model.model.model.layers.1.self_attn.q_proj";
      if (!name.starts_with(layers)) continue;
      file.tensors["base_model.model.layers.1.self_attn.q_proj" + name.substr(layers.size())] =
          tensor;
    }
  });
  expect_refused(ErrorCode::CorruptFile, "adapts 'blk.1.attn_q.weight' twice");
}

TEST_F(PeftFolder, AnotherBaseIsRefusedWithBothNumbers) {
  BaseModel base = base_of("llama");
  base.n_layers = 2;
  expect_error([&] { (void)read_peft(folder(), base); }, ErrorCode::Incompatible,
               "adapts layer 2, but base 'small' has 2 layers");
  base = base_of("llama");
  base.n_heads = 3;
  expect_error([&] { (void)read_peft(folder(), base); }, ErrorCode::Incompatible,
               "whose rows the 3 heads of base 'small' cannot share");
  base.architecture = "gemma2";
  expect_error([&] { (void)read_peft(folder(), base); }, ErrorCode::Unsupported,
               "has architecture 'gemma2', expected one of llama, qwen2");
}

TEST_F(PeftFolder, MissingFilesAreNamedAndAPickleIsNotOpened) {
  fs::rename(folder() / "adapter_model.safetensors", folder() / "adapter_model.bin");
  expect_refused(ErrorCode::NotFound, "only a pickle (adapter_model.bin)");
  fs::remove(folder() / "adapter_config.json");
  expect_refused(ErrorCode::NotFound, "holds no adapter_config.json");
}

/// Any bytes give a value or one clear error.
TEST_F(PeftFolder, AnyChangedByteGivesAnAdapterOrAnError) {
  std::size_t refused = 0, read = 0;
  for (const char* name : {"adapter_config.json", "adapter_model.safetensors"}) {
    const auto whole = read_file(folder() / name);
    for (std::size_t at = 0; at < std::min<std::size_t>(whole.size(), 1200); at += 3) {
      auto bytes = whole;
      bytes[at] ^= std::byte{static_cast<unsigned char>(1u << (at % 8))};
      write_atomically(folder() / name, bytes);
      try {
        const Adapter adapter = read_peft(folder(), base_of("llama")).adapter;
        EXPECT_NO_THROW(check_adapter(adapter));
        ++read;
      } catch (const Error& error) {
        ++refused;
        EXPECT_THAT(error.what(), ::testing::StartsWith(folder().string()));
      }
    }
    write_atomically(folder() / name, whole);
  }
  EXPECT_GT(refused, 100u);
  EXPECT_GT(read, 10u);
}

/// Ranks 2 and 1, scales that are not 1.
Adapter sample_adapter(const BaseModel& base) {
  Adapter adapter;
  adapter.base_id = base.id();
  adapter.tensors.push_back(
      {"blk.1.attn_k.weight", random_matrix(1, 8, 1), random_matrix(4, 1, 2), 3.0f});
  adapter.tensors.push_back(
      {"blk.1.attn_q.weight", random_matrix(2, 8, 3), random_matrix(8, 2, 4), 0.5f});
  adapter.tensors.push_back(
      {"blk.2.ffn_down.weight", random_matrix(2, 16, 5), random_matrix(8, 2, 6), 1.0f});
  return adapter;
}

TEST(WritePeft, ComesBackAsTheSameChangeOfEachWeight) {
  for (const std::string architecture : {"llama", "qwen2"}) {
    const test::ScratchFolder scratch;
    const BaseModel base = base_of(architecture);
    const Adapter adapter = sample_adapter(base);
    write_peft(scratch.path() / "out/", adapter, {.base = base, .base_model = "me/mine"});
    const PeftAdapter back = read_peft(scratch.path() / "out", base);
    EXPECT_EQ(back.base_model, "me/mine");
    ASSERT_EQ(back.adapter.tensors.size(), 3u);
    for (std::size_t i = 0; i < 3; ++i) {
      EXPECT_EQ(back.adapter.tensors[i].name, adapter.tensors[i].name);
      EXPECT_EQ(back.adapter.tensors[i].rank(), 2u);
      EXPECT_THAT(dense(back.adapter.tensors[i]),
                  Pointwise(FloatNear(1e-5f), dense(adapter.tensors[i])));
    }
  }
}

TEST(WritePeft, LeavesAFolderOfTheUsersBesideItAlone) {
  const test::ScratchFolder scratch;
  const BaseModel base = base_of("llama");
  fs::create_directories(scratch.path() / "out.part");
  write_atomically(scratch.path() / "out.part/mine.txt", std::string_view("mine"));
  write_peft(scratch.path() / "out", sample_adapter(base), {base, {}});
  EXPECT_EQ(read_text(scratch.path() / "out.part/mine.txt"), "mine");
  std::size_t files = 0;
  for ([[maybe_unused]] const auto& entry : fs::directory_iterator(scratch.path())) ++files;
  EXPECT_EQ(files, 2u) << "nothing else is left";
}

TEST(WritePeft, WritesTheNumbersThatPeftWrote) {
  const test::ScratchFolder scratch;
  const PeftAdapter peft = read_peft(golden_peft("llama"), base_of("llama"));
  write_peft(scratch.path() / "out", peft.adapter, {.base = base_of("llama"), .base_model = {}});
  const auto load = [](const fs::path& folder) {
    const fs::path file = folder / "adapter_model.safetensors";
    return read_safetensors(read_file(file), file.string());
  };
  const Safetensors got = load(scratch.path() / "out");
  const Safetensors want = load(golden_peft("llama"));
  ASSERT_EQ(got.tensors.size(), want.tensors.size());
  for (const auto& [name, tensor] : want.tensors) {
    ASSERT_TRUE(got.tensors.contains(name)) << name;
    std::vector<float> scaled = tensor.data;  // alpha / r = 3 goes into B
    for (float& v : scaled) v *= name.ends_with("lora_B.weight") ? 3.0f : 1.0f;
    EXPECT_EQ(got.tensors.at(name).shape, tensor.shape) << name;
    EXPECT_THAT(got.tensors.at(name).data, Pointwise(FloatNear(1e-5f), scaled)) << name;
  }
}

TEST(WritePeft, RefusesWhatIsThereAndWhatPeftCannotName) {
  const test::ScratchFolder scratch;
  const BaseModel base = base_of("llama");
  Adapter adapter = sample_adapter(base);
  fs::create_directories(scratch.path() / "there");
  expect_error(
      [&] {
        write_peft(scratch.path() / "there", adapter, {base, {}});
      },
      ErrorCode::InvalidArgument, "is there already");
  adapter.tensors.push_back(
      {"output.weight", random_matrix(2, 8, 7), random_matrix(10, 2, 8), 1.0f});
  expect_error(
      [&] {
        write_peft(scratch.path() / "out", adapter, {base, {}});
      },
      ErrorCode::Unsupported, "'output.weight': PEFT has no module");
  EXPECT_FALSE(fs::exists(scratch.path() / "out"));
}

TEST(WritePeft, ABlendedAdapterOfAGgufFileGoesThroughBothFormats) {
  const test::ScratchFolder scratch;
  const BaseModel base = base_of("llama");
  const Adapter adapter = sample_adapter(base);
  const Adapter from_gguf = adapter_from_gguf(Gguf::parse(adapter_to_gguf(adapter, {}), "file"));
  write_peft(scratch.path() / "out", from_gguf, {base, {}});
  const Adapter back = read_peft(scratch.path() / "out", base).adapter;
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_THAT(dense(back.tensors[i]), Pointwise(FloatNear(0.02f), dense(adapter.tensors[i])));
  }
}

}  // namespace
}  // namespace crayon
