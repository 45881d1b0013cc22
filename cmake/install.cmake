# What `cmake --install` puts where: headers, libraries, the command, man pages, and the two files
# by which other builds find the library (pkg-config, CMake package).

include(CMakePackageConfigHelpers)

set(ARMDB_CMAKE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/armdb)

install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/armdb DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
        FILES_MATCHING PATTERN "*.h")
install(FILES ${PROJECT_BINARY_DIR}/include/armdb/version.h
        DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/armdb)

install(TARGETS armdb EXPORT armdbTargets)
install(TARGETS armdb_static EXPORT armdbStaticTargets)
install(EXPORT armdbTargets NAMESPACE armdb:: DESTINATION ${ARMDB_CMAKE_DIR})
install(EXPORT armdbStaticTargets NAMESPACE armdb:: DESTINATION ${ARMDB_CMAKE_DIR})

configure_package_config_file(
    ${PROJECT_SOURCE_DIR}/cmake/armdbConfig.cmake.in ${PROJECT_BINARY_DIR}/armdbConfig.cmake
    INSTALL_DESTINATION ${ARMDB_CMAKE_DIR} NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/armdbConfigVersion.cmake
                                 COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/armdbConfig.cmake ${PROJECT_BINARY_DIR}/armdbConfigVersion.cmake
        DESTINATION ${ARMDB_CMAKE_DIR})

# The paths in armdb.pc are relative to ${prefix}, unless they were given as absolute ones.
foreach(kind LIBDIR INCLUDEDIR)
    if(IS_ABSOLUTE "${CMAKE_INSTALL_${kind}}")
        set(ARMDB_PC_${kind} "${CMAKE_INSTALL_${kind}}")
    else()
        set(ARMDB_PC_${kind} "\${prefix}/${CMAKE_INSTALL_${kind}}")
    endif()
endforeach()
configure_file(${PROJECT_SOURCE_DIR}/cmake/armdb.pc.in ${PROJECT_BINARY_DIR}/armdb.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/armdb.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})

foreach(section 1 3 5)
    file(GLOB pages ${PROJECT_SOURCE_DIR}/man/*.${section})
    if(pages)
        install(FILES ${pages} DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section})
    endif()
endforeach()

if(TARGET armdb_command)
    install(TARGETS armdb_command)
endif()

# Other compilers cannot read the intermediate code that link-time optimisation left in the archive.
if(ARMDB_LTO_COMPILE AND CMAKE_OBJCOPY)
    install(CODE "
        set(archive \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_LIBDIR}/libarmdb.a\")
        execute_process(COMMAND \"${CMAKE_OBJCOPY}\" --wildcard --remove-section=.gnu.lto_*
                                --remove-section=.gnu.debuglto_* --strip-symbol=__gnu_lto_*
                                \"\${archive}\" COMMAND_ERROR_IS_FATAL ANY)")
endif()
