# crayon::warnings: what every target of ours is compiled with, and nobody else's.
add_library(crayon_warnings INTERFACE)
add_library(crayon::warnings ALIAS crayon_warnings)
target_compile_options(crayon_warnings INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion
                                                 -Wno-sign-conversion -Wnon-virtual-dtor -Werror)
