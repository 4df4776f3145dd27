# What `cmake --install` puts where: headers, the shared and the static library,
# pkg-config and CMake package files, the command with its manual pages and completions,
# which it prints itself, and (by CPack) a Debian package of all that.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

# A static library without internals: its objects are linked into one, in which only the
# symbols of TN_API stay global.
function(tenon_static_library)
    get_property(rooms GLOBAL PROPERTY TENON_ROOMS)
    set(objects $<TARGET_OBJECTS:tenon_onnx_schema> $<TARGET_OBJECTS:tenon_event_schema>)
    foreach(room ${rooms})
        list(APPEND objects $<TARGET_OBJECTS:tenon_objects_${room}>)
    endforeach()
    set(archive ${CMAKE_BINARY_DIR}/libtenon.a)
    set(whole ${CMAKE_BINARY_DIR}/tenon.o)
    add_custom_command(OUTPUT ${archive}
        COMMAND ${CMAKE_LINKER} -r -o ${whole} ${objects}
        COMMAND ${CMAKE_OBJCOPY} --localize-hidden
            --wildcard "--localize-symbol=*.resolver" ${whole}
        COMMAND ${CMAKE_COMMAND} -E rm -f ${archive}
        COMMAND ${CMAKE_AR} rcs ${archive} ${whole}
        DEPENDS ${objects} COMMAND_EXPAND_LISTS VERBATIM COMMENT "libtenon.a")
    add_custom_target(tenon_archive ALL DEPENDS ${archive})
    install(FILES ${archive} DESTINATION ${CMAKE_INSTALL_LIBDIR})
endfunction()

# Man pages and completions of the commands in cli/.
function(tenon_documents)
    file(GLOB sources RELATIVE ${CMAKE_SOURCE_DIR}/cli CONFIGURE_DEPENDS
        ${CMAKE_SOURCE_DIR}/cli/cmd_*.c)
    set(folder ${CMAKE_BINARY_DIR}/share)
    set(pages ${folder}/tenon.1)
    set(commands COMMAND tenon-cli help man > ${folder}/tenon.1)
    foreach(source ${sources})
        string(REGEX REPLACE "^cmd_(.*)\\.c$" "\\1" name ${source})
        list(APPEND pages ${folder}/tenon-${name}.1)
        list(APPEND commands COMMAND tenon-cli help man ${name}
            > ${folder}/tenon-${name}.1)
    endforeach()
    foreach(shell bash zsh fish)
        list(APPEND commands COMMAND tenon-cli help completion ${shell}
            > ${folder}/completion.${shell})
    endforeach()
    add_custom_command(OUTPUT ${pages} COMMAND ${CMAKE_COMMAND} -E make_directory ${folder}
        ${commands} DEPENDS tenon-cli VERBATIM COMMENT "manual pages, completions")
    add_custom_target(tenon_documents ALL DEPENDS ${pages})
    install(FILES ${pages} DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
    install(FILES ${folder}/completion.bash RENAME tenon
        DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
    install(FILES ${folder}/completion.zsh RENAME _tenon
        DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions)
    install(FILES ${folder}/completion.fish RENAME tenon.fish
        DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
endfunction()

function(tenon_packages)
    set(folder ${CMAKE_BINARY_DIR}/package)
    get_property(flags GLOBAL PROPERTY TENON_PART_FLAGS)
    list(REMOVE_DUPLICATES flags)
    list(JOIN flags " " TENON_PART_FLAGS) # what the static library asks for
    # relative, so that the tree may be installed anywhere
    file(RELATIVE_PATH TENON_PC_PREFIX ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig
        ${CMAKE_INSTALL_PREFIX})
    configure_file(${CMAKE_SOURCE_DIR}/cmake/tenon.pc.in ${folder}/tenon.pc @ONLY)
    install(FILES ${folder}/tenon.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
    set(cmake_folder ${CMAKE_INSTALL_LIBDIR}/cmake/tenon)
    install(EXPORT tenon NAMESPACE tenon:: FILE tenon-targets.cmake
        DESTINATION ${cmake_folder})
    configure_package_config_file(${CMAKE_SOURCE_DIR}/cmake/tenon-config.cmake.in
        ${folder}/tenon-config.cmake INSTALL_DESTINATION ${cmake_folder})
    write_basic_package_version_file(${folder}/tenon-config-version.cmake
        COMPATIBILITY SameMinorVersion)
    install(FILES ${folder}/tenon-config.cmake ${folder}/tenon-config-version.cmake
        DESTINATION ${cmake_folder})
endfunction()

install(TARGETS tenon EXPORT tenon LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(TARGETS tenon-cli RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(DIRECTORY ${CMAKE_SOURCE_DIR}/include/tenon
    DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(FILES ${CMAKE_SOURCE_DIR}/LICENSE ${CMAKE_SOURCE_DIR}/README.md
    DESTINATION ${CMAKE_INSTALL_DOCDIR})
tenon_static_library()
tenon_documents()
tenon_packages()

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME tenon)
set(CPACK_PACKAGE_CONTACT "Tenon")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY
    "one better neural network out of networks that are already trained")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS python3-numpy)
include(CPack)
