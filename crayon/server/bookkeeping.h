// What a server keeps of its answers, and what it refuses to answer.
#pragma once

#include <functional>
#include <string>

#include "crayon/router/router.h"
#include "crayon/session/door.h"
#include "crayon/store/decisions.h"

namespace crayon {

struct Bookkeeping {
  DoorOptions door{};         ///< Its check: what it blocks is answered by nobody.
  std::string task{};         ///< As the log calls it.
  Calibration calibration{};  ///< The task's.
  std::function<void(const DecisionRecord&)> on_decision{};  ///< Empty: nothing is logged.
};

}  // namespace crayon
