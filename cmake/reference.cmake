# The API reference by Doxygen: the target `doc`, where Doxygen is installed, and what the
# test docs/reference runs.
find_program(TENON_DOXYGEN doxygen)
set(TENON_REFERENCE ${CMAKE_BINARY_DIR}/reference)
configure_file(${CMAKE_SOURCE_DIR}/docs/Doxyfile.in ${CMAKE_BINARY_DIR}/Doxyfile @ONLY)
if(TENON_DOXYGEN)
    add_custom_target(doc COMMAND ${TENON_DOXYGEN} ${CMAKE_BINARY_DIR}/Doxyfile
        VERBATIM COMMENT "API reference: ${TENON_REFERENCE}/html/index.html")
endif()
