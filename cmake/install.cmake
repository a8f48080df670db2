# What is installed and where: everything under pyneuro/ in a wheel, the usual lib/ and include/ otherwise.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

if(SKBUILD)  # pyproject.toml makes the package folder the install prefix
  set(library_dir .)
  set(include_dir include)
  set(package_dir cmake)
else()
  set(library_dir ${CMAKE_INSTALL_LIBDIR})
  set(include_dir ${CMAKE_INSTALL_INCLUDEDIR})
  set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/pyneuro)
endif()

install(TARGETS pyneuro_native EXPORT pyneuroTargets LIBRARY DESTINATION ${library_dir}
        INCLUDES DESTINATION ${include_dir})
install(TARGETS ${kernel_libraries} LIBRARY DESTINATION ${library_dir})
if(SKBUILD)
  install(TARGETS _core LIBRARY DESTINATION ${library_dir})
endif()

# In this tree a header is "core/shape.h"; installed it is "pyneuro/core/shape.h", also in the headers' own includes,
# so that a user's program needs one include folder and keeps names like core/ and ops/ for itself.
install(DIRECTORY csrc/ DESTINATION ${include_dir}/pyneuro FILES_MATCHING PATTERN "*.h"
        PATTERN bindings EXCLUDE PATTERN kernels EXCLUDE PATTERN simd EXCLUDE)
install(CODE "set(headers_dir \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${include_dir}/pyneuro\")")
install(CODE [[
  file(GLOB_RECURSE headers "${headers_dir}/*.h")
  foreach(header IN LISTS headers)
    file(READ "${header}" text)
    string(REGEX REPLACE "#include \"(core/|ops/|runtime/|plan/|backend\\.h|custom_op\\.h)" "#include \"pyneuro/\\1" text "${text}")
    file(WRITE "${header}" "${text}")
  endforeach()
]])

install(EXPORT pyneuroTargets NAMESPACE pyneuro:: DESTINATION ${package_dir})
configure_package_config_file(cmake/pyneuroConfig.cmake.in "${CMAKE_BINARY_DIR}/pyneuroConfig.cmake"
                              INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file("${CMAKE_BINARY_DIR}/pyneuroConfigVersion.cmake" COMPATIBILITY SameMinorVersion)
install(FILES "${CMAKE_BINARY_DIR}/pyneuroConfig.cmake" "${CMAKE_BINARY_DIR}/pyneuroConfigVersion.cmake"
        DESTINATION ${package_dir})
