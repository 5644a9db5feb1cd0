// A tiny random model of each architecture, for the engine's tests.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "crayon/base/error.h"
#include "crayon/engine/engine.h"
#include "crayon/testing/random.h"

namespace crayon {

inline const std::string kText = "What lives in the deep sea and eats the small fish there?";

inline EngineOptions exact(int batch_tokens = 512, int max_choices = 32) {
  return {.threads = 1,
          .context_tokens = 256,
          .exact = true,
          .max_choices = max_choices,
          .batch_tokens = batch_tokens};
}

/// A tiny model of each architecture in a folder of its own.
class TinyModel : public ::testing::TestWithParam<std::string> {
 protected:
  TinyModel() {
    options_.architecture = GetParam();
    options_.tied = GetParam() == "llama";
    options_.bos = GetParam() == "qwen2";
    write_random_model(file(), options_);
    model_ = open_model(file(), {.with_hash = false});
  }
  std::filesystem::path file(const std::string& name = "tiny.gguf") const {
    return folder_.path() / name;
  }
  RenderedPrompt question() const {
    return {.text = kText, .choices = {" a whale", " the giant squid", " x", " nobody knows"}};
  }
  std::vector<int> prompt_tokens(const std::string& text) const {
    return prompt_tokenizer(*model_)(text);
  }

  TemporaryFolder folder_;
  RandomModelOptions options_;
  std::shared_ptr<Model> model_;
};

#define CRAYON_EACH_ARCHITECTURE(suite)                                               \
  INSTANTIATE_TEST_SUITE_P(Architectures, suite, ::testing::Values("llama", "qwen2"), \
                           [](const auto& test) { return test.param; })

inline float log_prob_at(const Matrix& logits, std::size_t row, int token) {
  double sum = 0;
  for (const float x : logits.row(row)) sum += std::exp(static_cast<double>(x));
  return static_cast<float>(logits.at(row, static_cast<std::size_t>(token)) - std::log(sum));
}

inline std::vector<float> sums(const ScoreResult& result) {
  std::vector<float> values;
  for (const auto& choice : result.choices) values.push_back(choice.sum_log_prob);
  return values;
}

}  // namespace crayon
