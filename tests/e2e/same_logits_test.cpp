// On tiny random models of both architectures: a task file gives the same logits in a
// program that knows llama.cpp alone as in Crayon's engine.
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
  const LlamaOnlyRun with{.model = file, .task = lora, .threads = 1, .context_tokens = 128};
  EXPECT_LE(largest_difference(base.data, llama_only_logits(without, tokens)), 1e-4f);
  EXPECT_LE(largest_difference(adapted.data, llama_only_logits(with, tokens)), 1e-4f);
  EXPECT_GT(largest_difference(base.data, adapted.data), 1e-2f) << "the adapter does nothing";
}

INSTANTIATE_TEST_SUITE_P(BothArchitectures, SameLogits, ::testing::Values("llama", "qwen2"),
                         [](const auto& instance) { return instance.param; });

}  // namespace
}  // namespace crayon
