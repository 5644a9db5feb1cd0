// On tiny random models of both architectures: a task file, and several adapters added up at run
// time, give the same logits in a program that knows llama.cpp alone as in Crayon's engine.
#include "tests/e2e/same_logits.h"

#include <gtest/gtest.h>

#include "crayon/base/files.h"
#include "crayon/engine/engine.h"
#include "crayon/formats/adapter_file.h"
#include "crayon/testing/random.h"

namespace crayon {
namespace {

class SameLogits : public ::testing::TestWithParam<std::string> {};

TEST_P(SameLogits, AnAdapterFileGivesTheEnginesLogitsInAProgramThatKnowsLlamaCppAlone) {
  const TemporaryFolder folder;
  const RandomModelOptions shape{.architecture = GetParam()};
  const auto file = folder.path() / "model.gguf";
  write_random_model(file, shape);
  const auto model = open_model(file, {.with_hash = false});
  Adapter adapter = random_model_adapter(shape, 1, 4, 7);
  adapter.base_id = model->base().id();
  AdapterFileOptions options;
  options.architecture = GetParam();
  const auto lora = folder.path() / "task.gguf";
  write_atomically(lora, adapter_to_gguf(adapter, options));

  const std::vector<int> tokens = {5, 17, 3, 99, 42, 7, 200, 11};
  const auto engine = model->open_engine({.threads = 1, .context_tokens = 128, .exact = true});
  const Matrix base = engine->logits(tokens);
  engine->set_adapter_file(lora);
  const Matrix adapted = engine->logits(tokens);

  const LlamaOnlyRun without{.model = file, .threads = 1, .context_tokens = 128};
  const LlamaOnlyRun with{.model = file, .loras = {{lora}}, .threads = 1, .context_tokens = 128};
  EXPECT_LE(largest_difference(base.data, llama_only_logits(without, tokens)), 1e-4f);
  EXPECT_LE(largest_difference(adapted.data, llama_only_logits(with, tokens)), 1e-4f);
  EXPECT_GT(largest_difference(base.data, adapted.data), 1e-2f) << "the adapter does nothing";
}

TEST_P(SameLogits, TheExactBlendGivesTheLogitsOfTheSumThatLlamaCppMakesAtRunTime) {
  const TemporaryFolder folder;
  const RandomModelOptions shape{.architecture = GetParam()};
  const auto file = folder.path() / "model.gguf";
  write_random_model(file, shape);
  const auto model = open_model(file, {.with_hash = false});
  const AdapterFileOptions f32{
      .architecture = GetParam(), .name = {}, .type = TensorType::F32, .metadata = {}};
  const std::vector<float> weights = {0.7f, -0.35f, 0.2f};
  std::vector<Adapter> adapters;
  LlamaOnlyRun sum{.model = file, .threads = 1, .context_tokens = 128};
  for (std::size_t i = 0; i < weights.size(); ++i) {
    adapters.push_back(random_model_adapter(shape, 1, 2 + i, 7 + i));  // of three ranks
    adapters.back().base_id = model->base().id();
    sum.loras.push_back({folder.path() / (std::to_string(i) + ".gguf"), weights[i]});
    write_atomically(sum.loras.back().file, adapter_to_gguf(adapters.back(), f32));
  }
  const std::vector<int> tokens = {5, 17, 3, 99, 42, 7, 200, 11};
  const auto engine = model->open_engine({.threads = 1, .context_tokens = 128, .exact = true});
  const auto blended = [&](const std::vector<float>& w) {
    engine->set_adapters(
        std::vector<BlendPart>{{adapters[0], w[0]}, {adapters[1], w[1]}, {adapters[2], w[2]}});
    return engine->logits(tokens);
  };
  const Matrix even = blended({1.0f / 3, 1.0f / 3, 1.0f / 3});
  const Matrix ours = blended(weights);

  EXPECT_LE(largest_difference(ours.data, llama_only_logits(sum, tokens)), 1e-3f);
  EXPECT_GT(largest_difference(ours.data, even.data), 0.1f) << "the weights change nothing";
}

INSTANTIATE_TEST_SUITE_P(BothArchitectures, SameLogits, ::testing::Values("llama", "qwen2"),
                         [](const auto& instance) { return instance.param; });

}  // namespace
}  // namespace crayon
