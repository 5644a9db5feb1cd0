// Even shares and rows of gates that are put together or taken apart.
#pragma once

#include <vector>

#include "crayon/gate/gate.h"

namespace crayon {

/// p [N], written out where the gate has 1/N each.
[[nodiscard]] std::vector<float> even_shares(const Gate& gate);
/// Leaves them out where they are 1/N each, so that such a gate has one form.
void drop_default_shares(Gate& gate);

/// The rows of a, then those of b; either may be empty.
[[nodiscard]] Matrix stacked(const Matrix& a, const Matrix& b);

}  // namespace crayon
