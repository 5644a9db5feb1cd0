// From what a program throws to one line and an exit status.
#pragma once

#include <functional>
#include <iosfwd>
#include <string>

namespace crayon {

/// What a program says of itself where it fails.
struct ProgramWords {
  std::string name;         ///< Before every line: `crayon: ...`.
  std::string less_memory;  ///< What to try where memory ran out.
  std::function<std::string()>
      interrupted;  ///< What to add on Ctrl-C; may be empty, throws nothing.
};

/// Runs a program's work.
/// @return its status; 1 for a bug of ours; 2 to 7 by error code (base/error.h); 130 on Ctrl-C
[[nodiscard]] int guarded(const ProgramWords& words, std::ostream& notes,
                          const std::function<int()>& work);

/// @throws Error Unavailable when something written to `out` was lost
void require_written(std::ostream& out);

}  // namespace crayon
