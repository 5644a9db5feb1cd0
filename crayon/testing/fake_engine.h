// A Model and Engine without a model: deterministic numbers from hashes of the text, for tests of
// what stands above the engine, and for the thread sanitizer.
//
// Tokens are bytes (ids 0 to 255). Hidden states are sums of a random vector for each word, so that
// texts with common words are near each other. An adapter shifts the scores a little, by its
// weights.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "crayon/engine/engine.h"

namespace crayon {

struct FakeModelOptions {
  int d_model = 16;
  int n_layers = 4;
  int context = 2048;
  /// Tests steer with it. A choice that contains it, or that stands right behind it in the prompt
  /// ("Capital of France? *Paris" with the choice " Paris"), gets a mean log-prob above -1; all
  /// others stay below -2. generate() writes what stands behind the last one on its line, word by
  /// word; without one, up to eight words by hash.
  std::string right_marker = "*";
  std::atomic<int>* embedded = nullptr;  ///< If set, counts the prompts that embed() gets.
  bool states = false;  ///< Choices that are asked for their states get their text's hidden state.
};
[[nodiscard]] std::shared_ptr<Model> make_fake_model(const FakeModelOptions& options = {});

}  // namespace crayon
