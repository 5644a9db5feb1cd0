// What a pool needs of the base model when it is made or changed without training: the gate's
// space, fitted on prompts, and keys from examples. Runs no adapter.
//   h [n, d] hidden states    z [n, m] = normalize(L (h - mu))    keys [N, m]
#pragma once

#include <span>
#include <string>
#include <vector>

#include "crayon/engine/engine.h"
#include "crayon/gate/gate.h"
#include "crayon/pool/edit_pool.h"
#include "crayon/pool/pool.h"
#include "crayon/prompt/example.h"
#include "crayon/session/scoring.h"

namespace crayon {

struct NewPoolOptions {
  std::string name;
  PromptFormat prompt = {};
  EmbeddingSpec embedding = {};
  int first_layer = 0;          ///< Where its adapters are expected to begin; add lowers it.
  std::size_t dims = 64;        ///< m; more prompts than that are needed.
  float temperature = 0.05f;    ///< tau
  std::size_t reference = 512;  ///< Prompts kept as z, for familiarity.
};

/// An empty pool whose gate is plain: w is the mean of the gates, and a lone adapter gets 1.
/// @param examples  of the kinds of task that it is for; more than `dims`
/// @throws Error InvalidArgument  too few prompts, a layer or number of dims that the base lacks
/// @throws Interrupted            between two prompts
[[nodiscard]] PoolEdit make_empty_pool(const Model& model, Engine& engine,
                                       std::span<const Example> examples,
                                       const NewPoolOptions& options,
                                       const OnProgress& on_progress = {});

/// A key from examples, and how it stands among the pool's own.
struct KeyFit {
  std::vector<float> key;  ///< [m]
  Matrix z;                ///< [K, m] of the examples
  double own_weight = 1;   ///< What the gate, with this key, gives to it on these same examples.
  std::string nearest;     ///< The adapter with the nearest key; "" in an empty pool.
  double cosine = 0;       ///< Of the two keys.
};
/// @throws Error InvalidArgument  no example, or no common direction
/// @throws Error Incompatible     the model is not the pool's base
/// @throws Interrupted            between two prompts
[[nodiscard]] KeyFit fit_key(const Pool& pool, const Model& model, Engine& engine,
                             std::span<const Example> examples, const OnProgress& on_progress = {});

/// The gate of two pools whose keys cannot stand side by side: whitening, reference and keys anew,
/// from prompts of both pools' tasks; layer, pooling, temperature and dims are the first one's.
/// Each key moves to where the prompts lie that it stood for (move_keys()).
/// @throws Error InvalidArgument  no more prompts than the gate has dims
/// @throws Error Incompatible     the model is not the pools' base
[[nodiscard]] Gate refit_gate(const Pool& first, const Pool& second, const Model& model,
                              Engine& engine, std::span<const Example> examples,
                              const OnProgress& on_progress = {});

/// What the pool is to know of scope: each of these sets plays a user's task (fit_scope_model()).
/// @throws Error InvalidArgument  no set of at least 12 examples
/// @throws Error Incompatible     the model is not the pool's base
/// @throws Interrupted            between two prompts
[[nodiscard]] ScopeModel fit_pool_scope(const Pool& pool, const Model& model, Engine& engine,
                                        std::span<const std::vector<Example>> sets,
                                        std::uint64_t seed, const OnProgress& on_progress = {});

}  // namespace crayon
