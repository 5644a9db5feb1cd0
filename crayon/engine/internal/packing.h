// How prompts with choices share passes. A prompt's tokens stand once and belong to the sequences
// of all its choices; the tokens of each choice follow in a sequence of their own. Several prompts
// stand side by side in a pass, as long as tokens, outputs and sequences last; a prompt that is too
// long for one pass takes several, one behind the other. No model is needed here.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "crayon/prompt/prompt.h"

namespace crayon::internal {

struct PackLimits {
  std::size_t tokens = 512;     ///< A pass.
  std::size_t outputs = 256;    ///< Rows of logits a pass.
  std::size_t sequences = 256;  ///< Side by side in the cache.
  std::size_t cells = 2560;     ///< Of the cache: tokens of one prompt with its choices.
};

/// One token of a pass.
struct PackedToken {
  int token = 0;
  int position = 0;
  int first_sequence = 0;  ///< It belongs to this one and the following ones ...
  int sequences = 1;       ///< ... so many in all.
  bool output = false;     ///< Are its logits wanted?
};

/// log p(next) of the row that stands for `entry` belongs to a choice's score.
struct Reading {
  std::size_t entry = 0;  ///< Of the pass. Readings are in the order of their entries.
  std::size_t prompt = 0;
  std::size_t choice = 0;
  int next = 0;
};

/// The state of the row that stands for `entry` is one of a choice's tokens.
struct StateReading {
  std::size_t entry = 0;  ///< As in Reading.
  std::size_t prompt = 0;
  std::size_t choice = 0;
};

struct PackedPass {
  std::vector<PackedToken> tokens;
  std::vector<Reading> readings;
  std::vector<StateReading> states;  ///< None unless asked for.
  bool clears = false;               ///< The cache is emptied before this pass.
  std::size_t done = 0;              ///< Prompts that are finished once it has run.
};

/// The passes for these prompts, in their order.
/// @param states  also read the states of the choices' tokens, the last one among them
/// @throws Error InvalidArgument  limits that leave no room for a prompt and one choice
[[nodiscard]] std::vector<PackedPass> pack(std::span<const TokenizedChoices> prompts,
                                           const PackLimits& limits, bool states = false);

}  // namespace crayon::internal
