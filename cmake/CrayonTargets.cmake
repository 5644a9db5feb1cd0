# A part is a static library crayon::<part>; it may use only parts that were added before it.
function(crayon_require_lower part)
  foreach(dep IN LISTS ARGN)
    if(NOT TARGET ${dep})  # crayon/CMakeLists.txt adds the parts bottom-up
      message(FATAL_ERROR "crayon::${part} may not use ${dep}: it is not below it")
    endif()
  endforeach()
endfunction()

# The libraries of these parts stay inside the programs; all others are installed, as the public parts
# stand on them. Headers are installed for the parts that programs of others may use, and for what
# those headers themselves include.
set(CRAYON_PROGRAM_PARTS server hub bench trainer cli testing)
set(CRAYON_HEADER_PARTS base adapter store http stats prompt formats gate router remote pool engine session)

function(crayon_install part)
  if(part IN_LIST CRAYON_PROGRAM_PARTS)
    return()
  endif()
  set_target_properties(crayon_${part} PROPERTIES EXPORT_NAME ${part})
  target_include_directories(crayon_${part} PUBLIC $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  install(TARGETS crayon_${part} EXPORT crayonTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
          COMPONENT development)
  if(part IN_LIST CRAYON_HEADER_PARTS)
    install(DIRECTORY ./ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/crayon/${part}
            COMPONENT development FILES_MATCHING PATTERN "*.h" PATTERN internal EXCLUDE)
  endif()
endfunction()

# crayon_library(<part> SOURCES a.cpp ... PUBLIC deps that our headers name PRIVATE deps of .cpp files)
function(crayon_library part)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;PUBLIC;PRIVATE")
  crayon_require_lower(${part} ${arg_PUBLIC} ${arg_PRIVATE})
  add_library(crayon_${part} STATIC ${arg_SOURCES})
  add_library(crayon::${part} ALIAS crayon_${part})
  set_target_properties(crayon_${part} PROPERTIES POSITION_INDEPENDENT_CODE ON)
  target_compile_features(crayon_${part} PUBLIC cxx_std_20)
  target_include_directories(crayon_${part} PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>)
  target_link_libraries(crayon_${part} PUBLIC ${arg_PUBLIC}
                        PRIVATE ${arg_PRIVATE} $<BUILD_INTERFACE:crayon::warnings>)
  crayon_install(${part})
endfunction()

# crayon_test(<part> SOURCES a_test.cpp ... DEPS further targets): one GoogleTest program a part.
# LABEL unit (default) needs no model and no network; e2e uses the real models.
function(crayon_test part)
  if(NOT CRAYON_BUILD_TESTS)
    return()
  endif()
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "LABEL;TIMEOUT" "SOURCES;DEPS")
  if(NOT arg_LABEL)
    set(arg_LABEL unit)
  endif()
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 600)
  endif()
  set(name ${part}_test)
  add_executable(${name} ${arg_SOURCES})
  if(TARGET crayon::${part})
    target_link_libraries(${name} PRIVATE crayon::${part})
  endif()
  target_link_libraries(${name} PRIVATE ${arg_DEPS} crayon::warnings GTest::gmock_main)
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR})
  target_compile_definitions(${name} PRIVATE CRAYON_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES LABELS ${arg_LABEL} TIMEOUT ${arg_TIMEOUT}
                       ENVIRONMENT "CRAYON_BIN=${CMAKE_RUNTIME_OUTPUT_DIRECTORY}/crayon")
  if(arg_LABEL STREQUAL e2e)
    set_tests_properties(${name} PROPERTIES PROCESSORS 2)  # a real model takes all cores
  endif()
endfunction()

# crayon_benchmark(<part> SOURCES a_benchmark.cpp ... DEPS ...): built always, run by hand and briefly in tests.
function(crayon_benchmark part)
  if(NOT CRAYON_BUILD_TESTS)
    return()
  endif()
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;DEPS")
  set(name ${part}_benchmark)
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE crayon::${part} ${arg_DEPS} crayon::warnings benchmark::benchmark_main)
  add_test(NAME ${name} COMMAND ${name} --benchmark_min_time=0.01)
  set_tests_properties(${name} PROPERTIES LABELS unit)
endfunction()
