# cmake -DGIT=PROGRAM -DSCRIPT=write_commit.cmake -DFOLDER=FOLDER -P commit_test.cmake: what the build says of
# the commit, in a tree that is clean, in one that was changed, and in one that git does not know.
function(expect what commit)
  execute_process(COMMAND ${CMAKE_COMMAND} -DSOURCE=${FOLDER}/tree -DGIT=${GIT} -DOUTPUT=${FOLDER}/commit.cpp
                          -P ${SCRIPT} COMMAND_ERROR_IS_FATAL ANY)
  file(READ ${FOLDER}/commit.cpp source)
  if(NOT source MATCHES "return \"${commit}\";")
    message(FATAL_ERROR "${what}: expected ${commit}, found\n${source}")
  endif()
endfunction()

function(git)
  execute_process(COMMAND ${GIT} -c user.name=a -c user.email=a@b.c ${ARGN} WORKING_DIRECTORY ${FOLDER}/tree
                  OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
endfunction()

file(REMOVE_RECURSE ${FOLDER})
file(WRITE ${FOLDER}/tree/a.txt "one")
expect("no repository" "")
git(init -q)
git(add a.txt)
git(commit -q -m one)
git(tag v1)
expect("clean" "[0-9a-f]+")
file(TIMESTAMP ${FOLDER}/commit.cpp before "%s")
execute_process(COMMAND ${CMAKE_COMMAND} -E sleep 1.1)
file(WRITE ${FOLDER}/tree/untracked.txt "")
expect("clean again" "[0-9a-f]+")
file(TIMESTAMP ${FOLDER}/commit.cpp after "%s")
if(NOT before EQUAL after)
  message(FATAL_ERROR "the source was written again, though nothing had changed")
endif()
file(WRITE ${FOLDER}/tree/a.txt "another")
expect("changed" "[0-9a-f]+[+]")
