# The program crayon-trainer, where libtorch was found.
if(TARGET crayon::trainer AND NOT TARGET crayon-trainer)
  add_executable(crayon-trainer ${PROJECT_SOURCE_DIR}/crayon/cli/guard.cpp
                                ${PROJECT_SOURCE_DIR}/crayon/cli/trainer_main.cpp)
  target_link_libraries(crayon-trainer PRIVATE crayon::trainer crayon::base crayon::warnings fmt::fmt
                                               nlohmann_json::nlohmann_json CLI11::CLI11)
  target_include_directories(crayon-trainer PRIVATE ${PROJECT_SOURCE_DIR})
  if(CRAYON_BUILD_TESTS)
    add_test(NAME trainer_lost_output
             COMMAND sh -c "\"$0\" --help >/dev/full; test $? = 7" $<TARGET_FILE:crayon-trainer>)
    set_tests_properties(trainer_lost_output PROPERTIES LABELS unit)
  endif()
endif()
