// The state of a choice: a mean over the rows of its tokens, added up as they come.
#pragma once

#include <cstddef>
#include <span>

#include "crayon/engine/engine.h"

namespace crayon::internal {

/// Adds the share of one of the choice's tokens. @param row  [d] of the last norm
inline void add_state(ScoredChoice& choice, std::span<const float> row) {
  choice.state.resize(row.size());
  const auto n = static_cast<float>(choice.tokens);
  for (std::size_t i = 0; i < row.size(); ++i) choice.state[i] += row[i] / n;
}

}  // namespace crayon::internal
