// The loss that LoraHub's search lowers.
#pragma once

#include "crayon/bench/method.h"

namespace crayon {

/// Negative mean log-prob per token of the examples' right answers, divided once more by their
/// number, as LoraHub's program does: its penalty is weighed against that.
[[nodiscard]] double answer_loss(const MethodInput& input, const Adapter& adapter);

}  // namespace crayon
