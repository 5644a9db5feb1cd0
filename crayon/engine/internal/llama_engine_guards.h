// What a LlamaEngine sets for the length of a call.
#pragma once

#include "crayon/engine/internal/llama_engine.h"

namespace crayon::internal {

/// Collects hidden states while it lives; an exception leaves the callback idle.
class LlamaEngine::Capture {
 public:
  Capture(HiddenState& state, std::span<const int> layers, Pooling pooling, bool end_pass)
      : state_(state) {
    state_.begin(layers, pooling, end_pass);
  }
  /// Of the tokens whose logits are wanted.
  explicit Capture(HiddenState& state) : state_(state) { state_.begin_outputs(); }
  Capture(const Capture&) = delete;
  ~Capture() { state_.abandon(); }

 private:
  HiddenState& state_;
};

/// The base alone while it lives. An adapter that only changes layers above the one that is read
/// stays: setting one makes llama.cpp plan its buffers anew.
class LlamaEngine::Base {
 public:
  Base(LlamaEngine& engine, int up_to_layer)
      : engine_(engine),
        aside_(engine.adapter_.loaded != nullptr && engine.adapter_.first_layer < up_to_layer) {
    if (aside_) engine_.context_.set_adapter(nullptr);
  }
  Base(const Base&) = delete;
  ~Base() {
    if (aside_) engine_.context_.set_adapter(engine_.adapter_.loaded.get());
  }

 private:
  LlamaEngine& engine_;
  bool aside_;
};

}  // namespace crayon::internal
