# What find_package(crayon) needs: the targets crayon::<part> and the libraries that they stand on.
include(CMakePackageConfigHelpers)
set(crayon_cmake_dir ${CMAKE_INSTALL_LIBDIR}/cmake/crayon)
install(EXPORT crayonTargets NAMESPACE crayon:: DESTINATION ${crayon_cmake_dir} COMPONENT development)
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/crayonConfig.cmake.in
                              ${PROJECT_BINARY_DIR}/crayonConfig.cmake
                              INSTALL_DESTINATION ${crayon_cmake_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/crayonConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/crayonConfig.cmake ${PROJECT_BINARY_DIR}/crayonConfigVersion.cmake
        DESTINATION ${crayon_cmake_dir} COMPONENT development)
