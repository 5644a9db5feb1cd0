// The blocks of a model from one on (its crown), as a model of its own that is fed with hidden
// states in place of tokens. The blocks below (the trunk) are the same under every adapter that
// leaves them alone, so what they make of a prompt is worked out once (DESIGN.md: trunk and crown;
// ours).
#pragma once

#include <memory>

#include "crayon/adapter/adapter.h"
#include "crayon/engine/internal/llama_handles.h"
#include "crayon/formats/gguf.h"

namespace crayon::internal {

/// Can blocks be taken off this model? Not where its metadata say something of each block.
[[nodiscard]] bool has_crown(const Gguf& gguf);

/// Blocks first_layer to the last, numbered from 0, with the embeddings, the final norm and the
/// head. The weights are the file's own bytes; they lie in memory once more.
/// @param first_layer  1 to the number of blocks - 1
/// @throws Error Unavailable  no memory; CorruptFile, Incompatible as LlamaModel
[[nodiscard]] std::shared_ptr<const LlamaModel> load_crown(const Gguf& gguf, int first_layer,
                                                           int gpu_layers);

/// The adapter for such a crown. @throws Error Incompatible  it changes a block below, named
[[nodiscard]] Adapter for_crown(Adapter adapter, int first_layer);

}  // namespace crayon::internal
