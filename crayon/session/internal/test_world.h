// For tests of this part: a pool whose adapters can be read back from their blend, and an engine
// whose scores are a function of the weights that are set.
//   adapter i: one tensor of rank 1, delta = e_i e_i^T; so a blend's delta has w on its diagonal
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "crayon/engine/engine.h"
#include "crayon/pool/pool.h"

namespace crayon {

inline constexpr int kWidth = 16;  ///< d of the fake model.

/// A pool of `n` such adapters for the model, written into `folder` and opened. The embedding is
/// layer 2, whitened to 4 numbers.
[[nodiscard]] Pool make_test_pool(const std::filesystem::path& folder, const Model& model,
                                  std::size_t n);

/// n examples "is this <word> number k" with the choices yes, no, maybe; labelled in turn.
[[nodiscard]] std::vector<Example> make_test_examples(std::size_t n, bool labels = true);

/// Scores (mean log-prob of choice c of a prompt) as the test wants them; `weights` has kWidth
/// numbers, the w that is set and zeros, and is empty for the base alone.
using ScoreFunction = std::function<float(const std::string& prompt, std::size_t choice,
                                          const std::vector<float>& weights)>;

/// The fake engine with such scores; embeddings and generated text stay the fake's.
[[nodiscard]] std::unique_ptr<Engine> make_scripted_engine(Model& model, ScoreFunction score);

}  // namespace crayon
