# Run by ctest: cmake -DBUILD=... -DWORK=... -DCOMPILER=... -DBUILD_TYPE=... -P install_test.cmake
set(prefix ${WORK}/prefix)
function(run)
  execute_process(COMMAND ${ARGV} COMMAND_ERROR_IS_FATAL ANY)
endfunction()

file(REMOVE_RECURSE ${prefix} ${WORK}/user)
run(${CMAKE_COMMAND} --install ${BUILD} --prefix ${prefix} --component development)

file(GLOB_RECURSE internal ${prefix}/include/*/internal/*)
if(internal)
  message(FATAL_ERROR "internal headers were installed: ${internal}")
endif()

run(${CMAKE_COMMAND} -S ${CMAKE_CURRENT_LIST_DIR}/user -B ${WORK}/user -G Ninja
    -DCMAKE_PREFIX_PATH=${prefix} -DCMAKE_CXX_COMPILER=${COMPILER} -DCMAKE_BUILD_TYPE=${BUILD_TYPE})
run(${CMAKE_COMMAND} --build ${WORK}/user)
run(${WORK}/user/user)
