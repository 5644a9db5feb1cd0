// Which commit the program was built from; the build writes the source.
#pragma once

#include <string>

namespace crayon {

/// The first digits of the commit's hash, with a "+" where its files were changed; "" where the
/// tree was none of git's.
[[nodiscard]] std::string built_commit();

}  // namespace crayon
