// What every context of an engine has in common.
#pragma once

#include "crayon/engine/engine.h"
#include "crayon/engine/internal/hidden_state.h"
#include "llama.h"

namespace crayon::internal {

struct ContextSize {
  std::size_t cells = 0;      ///< Of the KV cache.
  std::size_t sequences = 1;  ///< At most 256.
  std::size_t outputs = 1;    ///< Rows of logits a pass; each costs n_vocab floats in two buffers.
};

/// @param hidden  sees every pass; at a fixed address
[[nodiscard]] llama_context_params context_params(const EngineOptions& options,
                                                  const ContextSize& size, HiddenState& hidden);

}  // namespace crayon::internal
