# cmake -DSOURCE=TREE -DGIT=PROGRAM -DOUTPUT=FILE -P write_commit.cmake: writes a source that says which
# commit is being built, with a + where files of it were changed; nothing where the tree is none of git's.
set(commit "")
if(GIT AND EXISTS "${SOURCE}/.git")  # an unpacked archive may lie in another project's repository
  set(ENV{GIT_OPTIONAL_LOCKS} 0)  # a look must not get in the way of a commit
  execute_process(COMMAND "${GIT}" describe --always --exclude=* --abbrev=12 --dirty=+
                  WORKING_DIRECTORY "${SOURCE}" OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  if(NOT commit MATCHES "^[0-9a-f]+[+]?$")
    set(commit "")
  endif()
endif()
file(WRITE "${OUTPUT}.new" "// Made by the build.
#include \"crayon/cli/commit.h\"

namespace crayon {

std::string built_commit() { return \"${commit}\"; }

}  // namespace crayon
")
# Written in place, the file would be compiled again by every build.
file(COPY_FILE "${OUTPUT}.new" "${OUTPUT}" ONLY_IF_DIFFERENT)
