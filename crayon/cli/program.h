// The program `crayon` from its arguments to its exit status.
#pragma once

#include <iosfwd>

namespace crayon {

/// @return 0; 1 for a bug of ours; 2 to 7 by error code (base/error.h); 130 on Ctrl-C
int run_program(int argc, char** argv, std::ostream& out, std::ostream& notes);

}  // namespace crayon
