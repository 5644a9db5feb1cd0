# Run by ctest: cmake -DBUILD=... -DWORK=... -DCOMPILER=... -DBUILD_TYPE=... -P install_test.cmake
# Installs into a folder of the build, compiles each installed header alone, builds the examples on
# what was installed and runs the one that needs no model.
set(prefix ${WORK}/prefix)
set(source ${CMAKE_CURRENT_LIST_DIR}/../..)
function(run)
  execute_process(COMMAND ${ARGV} COMMAND_ERROR_IS_FATAL ANY)
endfunction()
function(build_on_prefix folder name)
  run(${CMAKE_COMMAND} -S ${folder} -B ${WORK}/${name} -G Ninja -DCMAKE_PREFIX_PATH=${prefix}
      -DCMAKE_CXX_COMPILER=${COMPILER} -DCMAKE_BUILD_TYPE=${BUILD_TYPE})
  run(${CMAKE_COMMAND} --build ${WORK}/${name})
endfunction()

file(REMOVE_RECURSE ${prefix} ${WORK}/headers ${WORK}/examples)
run(${CMAKE_COMMAND} --install ${BUILD} --prefix ${prefix} --component development)

file(GLOB_RECURSE internal ${prefix}/include/*/internal/*)
if(internal)
  message(FATAL_ERROR "internal headers were installed: ${internal}")
endif()

build_on_prefix(${CMAKE_CURRENT_LIST_DIR}/headers headers)
build_on_prefix(${source}/examples examples)
run(${WORK}/examples/blend_pool ${source}/pools/smollm2-135m ${WORK}/even.gguf)
