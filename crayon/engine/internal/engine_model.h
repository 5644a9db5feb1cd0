// What the parts of an engine share: its model, and the adapter that is set.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "crayon/adapter/adapter.h"
#include "crayon/engine/engine.h"
#include "crayon/engine/internal/llama_handles.h"
#include "crayon/formats/gguf.h"

namespace crayon::internal {

/// What an engine needs of its model; the model outlives it through `keep`.
struct EngineModel {
  std::shared_ptr<const Model> keep;
  std::shared_ptr<const LlamaModel> llama;
  const Gguf* gguf = nullptr;  ///< Owned by `keep`.
  int gpu_layers = 0;
};

/// The adapter that is set; none: the base alone.
struct CurrentAdapter {
  std::shared_ptr<const LlamaAdapter> loaded = {};
  std::string name = {};  ///< For messages; "" for none.
  int first_layer = 0;    ///< Lowest block that it changes; -1: also what is in no block.
  Adapter numbers = {};   ///< The same once more, for EngineOptions::splits.
  TensorType type = TensorType::F32;
  std::uint64_t version = 1;  ///< Counted up when another one is set, or none.
};

}  // namespace crayon::internal
