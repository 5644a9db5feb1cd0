# crayon::warnings: what every target of ours is compiled with, and nobody else's. They are errors with
# the compiler that we build with; another one may know warnings that we have not seen.
set(known_compiler OFF)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  set(known_compiler ON)
endif()
option(CRAYON_WERROR "Warnings are errors" ${known_compiler})
add_library(crayon_warnings INTERFACE)
add_library(crayon::warnings ALIAS crayon_warnings)
target_compile_options(crayon_warnings INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion
                                                 -Wno-sign-conversion -Wnon-virtual-dtor
                                                 $<$<BOOL:${CRAYON_WERROR}>:-Werror>)
