// What a server needs beside its engine: which requests may leave and to whom, who decides, what is
// kept of the answers, and what is refused.
#pragma once

#include <cstddef>
#include <functional>
#include <vector>

#include "crayon/remote/remote.h"
#include "crayon/router/router.h"
#include "crayon/session/device.h"
#include "crayon/session/door.h"
#include "crayon/session/tasks.h"
#include "crayon/store/decisions.h"

namespace crayon {

/// Borrows what it points to.
struct Bookkeeping {
  DoorOptions door{};        ///< The checks that a request must pass to leave; what they block is
                             ///< answered by nobody.
  OpenTask task{};           ///< Its policy, scope and calibration; its adapter is ServeOptions'.
  Remote* remote = nullptr;  ///< The larger LLM; null: nothing ever leaves.
  std::vector<DecisionRecord> past{};       ///< Of the log: the router goes on from them.
  RouterOptions router{};                   ///< Who answers what may leave.
  std::size_t hold_back = kHoldBackTokens;  ///< Tokens of free text before that is decided.
  std::function<void(const DecisionRecord&)> on_decision{};  ///< Empty: nothing is logged.
};

}  // namespace crayon
